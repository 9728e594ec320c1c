/** What a machine made of an image. */
export interface Outcome {
  /** The RAM that the image covers. */
  readonly ram: Uint8Array;
  /** Instructions retired, where that is known. */
  readonly instructions?: number;
  /** Regions translated since the machine was made. */
  readonly inRegions?: number;
}

/** A machine that runs an image until it writes to the finisher. */
export interface Machine {
  readonly name: string;
  run(image: Uint8Array): Promise<Outcome>;
}
