import type { IrqLine } from "@isomorph/interface";

/**
 * Joins several wires into `output`, which is high while any of them is: a level-triggered interrupt that devices
 * share, as PCI's INTx is. Each call of the returned function makes one more input.
 */
export function sharedLine(output: IrqLine): () => IrqLine {
  let high = 0;
  return () => {
    let current = false;
    return {
      set(level) {
        if (level === current) return;
        current = level;
        high += level ? 1 : -1;
        if (high === (level ? 1 : 0)) output.set(level);
      },
    };
  };
}
