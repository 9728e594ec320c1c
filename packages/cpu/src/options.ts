import { LARGEST_ENTRY } from "./translator/code-map.ts";

/** Throws a RangeError for a threshold that cannot be. */
export function checkThreshold(translationThreshold: number): void {
  if (!Number.isInteger(translationThreshold) || translationThreshold < 0) {
    throw new RangeError(`translationThreshold ${translationThreshold} is not a whole number`);
  }
  if (translationThreshold > LARGEST_ENTRY) {
    throw new RangeError(`translationThreshold ${translationThreshold} is above ${LARGEST_ENTRY}`);
  }
}
