/**
 * A place at which a region may be left for the interpreter, in one number: the distance from the first page's start to the
 * instruction to be interpreted (14 bits: it may be the first one after the second page), and above it the number of
 * instructions that were taken off `remaining` and not executed.
 */
export function exitSite(page: number, host: number, notExecuted: number): number {
  return (host - page) | (notExecuted << EXIT_OFFSET_BITS);
}
export const EXIT_OFFSET_BITS = 14;
