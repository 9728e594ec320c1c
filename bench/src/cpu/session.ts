import type { Command, Cost } from "../benchmark.ts";
import { EmulatorProcess } from "./emulator-process.ts";
import { type Mark, MarkReader } from "./marks.ts";

/** What a row cost an emulator, and what came out of it in the guest. */
export interface RowCost extends Cost {
  readonly result: string;
}

/** How an emulator is run. */
export interface SessionOptions {
  readonly command: Command;
  /** Seconds until a row, or the boot before it, counts as failed. */
  readonly patience: number;
  /** Receives the console's output as it comes. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

/** Milliseconds after which a question is repeated. */
const ASK_AGAIN = 2000;

interface Waiter {
  readonly resolve: (mark: Mark) => void;
  readonly reject: (error: Error) => void;
}

/**
 * An emulator whose guest does a row whenever it is asked for the next one; in between it idles. The emulator's clocks
 * are read when the guest's marks arrive, so that neither the boot nor a program's preparations count.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #rows: readonly string[];
  readonly #reader = new MarkReader();
  readonly #emulator: EmulatorProcess;
  readonly #marks: Mark[] = [];
  readonly #samples: Partial<Record<Mark["kind"], Cost>> = {};
  #next = 0;
  #waiter: Waiter | undefined;
  #failure: string | undefined;

  /** Starts the emulator. @param rows - Names of the rows that the guest was told to do, in order. */
  constructor(options: SessionOptions, rows: readonly string[]) {
    this.#options = options;
    this.#rows = rows;
    this.#emulator = new EmulatorProcess(
      options.command,
      (text) => this.#hear(text),
      (reason) => this.#fail(reason),
    );
  }

  /**
   * Resolves when the guest waits to be asked.
   *
   * @throws Error naming the row and quoting the console when the emulator can't be started or ends, or takes too long.
   */
  ready(): Promise<void> {
    return this.#within(async (row) => void (await this.#expect("ready", row)));
  }

  /**
   * Has the guest, which is {@link ready}, do its next row, and leaves it ready for another.
   *
   * @throws Error as {@link ready} does, or when the row fails in the guest.
   */
  async row(): Promise<RowCost> {
    const cost = await this.#within(async (row) => {
      await this.#ask(row);
      const { begin, end } = await this.#samplesOf(row);
      const result = await this.#outcome(row);
      const { user, system, wall } = end;
      return { user: user - begin.user, system: system - begin.system, wall: wall - begin.wall, result };
    });
    this.#next++;
    if (this.#next < this.#rows.length) await this.ready();
    return cost;
  }

  /** Ends the emulator. */
  close(): void {
    this.#emulator.close();
  }

  /** Does something about the next row, within the time that there is for it. */
  async #within<T>(action: (row: string) => Promise<T>): Promise<T> {
    const row = this.#rows[this.#next];
    if (row === undefined) throw new RangeError(`there are only ${this.#rows.length} rows`);
    const { patience } = this.#options;
    const timer = setTimeout(() => this.#fail(`not done after ${patience} s`), patience * 1000);
    try {
      return await action(row);
    } catch (error) {
      this.close();
      throw this.#emulator.error(`row ${row}: ${(error as Error).message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Some emulators lose input at times: so the guest is asked until it has heard. */
  async #ask(row: string): Promise<void> {
    const ask = (): void => this.#emulator.send(`${row}\n`);
    ask();
    const timer = setInterval(ask, ASK_AGAIN);
    try {
      await this.#expect("go", row);
    } finally {
      clearInterval(timer);
    }
  }

  async #samplesOf(row: string): Promise<{ begin: Cost; end: Cost }> {
    await this.#expect("begin", row);
    await this.#expect("end", row);
    const { begin, end } = this.#samples;
    if (begin === undefined || end === undefined) throw new Error("its clocks were not read");
    return { begin, end };
  }

  async #outcome(row: string): Promise<string> {
    const { detail } = await this.#expect("result", row);
    const status = (await this.#expect("done", row)).detail;
    if (status !== "0") throw new Error(`ended with status ${status} in the guest`);
    return detail;
  }

  async #expect(kind: Mark["kind"], row: string): Promise<Mark> {
    const mark = await this.#mark();
    if (mark.kind === kind && mark.row === row) return mark;
    if (mark.kind === "done")
      throw new Error(`ended with status ${mark.detail} in the guest, without its marks`);
    throw new Error(`the guest said "${mark.kind} ${mark.row}" where "${kind} ${row}" was due`);
  }

  #mark(): Promise<Mark> {
    return new Promise((resolve, reject) => {
      const mark = this.#marks.shift();
      if (mark !== undefined) resolve(mark);
      else if (this.#failure !== undefined) reject(new Error(this.#failure));
      else this.#waiter = { resolve, reject };
    });
  }

  #hear(text: string): void {
    this.#options.onOutput?.(text);
    for (const mark of this.#reader.push(text)) {
      try {
        this.#samples[mark.kind] = this.#emulator.sample();
      } catch (error) {
        this.#fail((error as Error).message);
        return;
      }
      const waiter = this.#waiter;
      this.#waiter = undefined;
      if (waiter === undefined) this.#marks.push(mark);
      else waiter.resolve(mark);
    }
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
    this.#waiter?.reject(new Error(reason));
    this.#waiter = undefined;
  }
}

/**
 * Runs an emulator until its console says something, and returns what it cost from its start.
 *
 * @throws Error naming the row, as {@link Session.row} does.
 */
export function runUntil(options: SessionOptions, row: string, until: string): Promise<RowCost> {
  const { command, patience, onOutput } = options;
  return new Promise((resolve, reject) => {
    let tail = "";
    const end = (cost: RowCost | string): void => {
      clearTimeout(timer);
      emulator.close();
      if (typeof cost === "string") reject(emulator.error(`row ${row}: ${cost}`));
      else resolve(cost);
    };
    const hear = (text: string): void => {
      onOutput?.(text);
      tail += text;
      if (tail.includes(until)) {
        try {
          end({ ...emulator.sample(), result: "" });
        } catch (error) {
          end((error as Error).message);
        }
      }
      tail = tail.slice(-until.length);
    };
    const timer = setTimeout(() => end(`not done after ${patience} s`), patience * 1000);
    const emulator = new EmulatorProcess(command, hear, end);
  });
}
