/** A program to be measured. */
export interface Command {
  /** The program and its arguments; found through PATH unless absolute. */
  readonly argv: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Given on standard input, which then ends. */
  readonly input?: string;
  /**
   * The run is over, successfully, when standard output contains this: the process group then gets SIGTERM.
   * Without it, the run is over when the program ends, which must be with exit code 0.
   */
  readonly until?: string;
}

/** What one run cost, in seconds; user and system time are those of the whole process tree. */
export interface Cost {
  readonly wall: number;
  readonly user: number;
  readonly system: number;
}

/** A pair of programs that do the same work. */
export interface Benchmark {
  /** As in `npm run bench -- NAME`. */
  readonly name: string;
  /** The program ours is measured against. */
  readonly peer: string;
  /** What work it is, in one line. */
  readonly description: string;
  /** The cost whose ratio the last line tells: user time, user and system time, or wall time. */
  readonly metric: "user" | "cpu" | "wall";
  /** Measured runs of each; the medians count. */
  readonly rounds: number;
  /** Seconds after which one run has failed. */
  readonly limit: number;
  /** Builds what both need. Not measured. */
  prepare(): Promise<void>;
  /** Called before each run, once `prepare` is done. */
  ours(): Command;
  /** Called before each run, once `prepare` is done. */
  theirs(): Command;
}
