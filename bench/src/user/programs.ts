/** A program of the table. */
export interface UserProgram {
  readonly name: string;
  /** Its source, from the folder of guests. */
  readonly source: string;
  /** Arguments: the peer is busy for some ten seconds, as CoreMark's own rules ask for. */
  readonly args: readonly string[];
  /** Arguments of the genuine benchmark that takes its place where its source is given. */
  readonly genuineArgs?: readonly string[];
}

/** What `npm run bench -- user` runs. */
export const userPrograms: readonly UserProgram[] = [
  {
    name: "coremark",
    source: "cpu/coremark-like.c",
    args: ["30000"],
    genuineArgs: ["0", "0", "0x66", "60000"],
  },
  { name: "dhrystone", source: "cpu/dhrystone-like.c", args: ["60000"], genuineArgs: [] },
  { name: "sort", source: "user/sort.c", args: ["900"] },
  { name: "sha256", source: "user/sha256.c", args: ["760"] },
  { name: "bytecode", source: "user/bytecode.c", args: ["580"] },
  { name: "fib", source: "user/fib.c", args: ["43"] },
  { name: "double", source: "cpu/double.c", args: ["130000"] },
];
