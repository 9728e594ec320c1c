/** One interrupt wire from a device to an interrupt controller or hart. Level triggered. */
export interface IrqLine {
  /** Drives the wire. Setting the level that it already has changes nothing. */
  set(level: boolean): void;
}
