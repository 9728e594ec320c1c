import { once } from "node:events";
import { CommandError, EXIT, UsageError } from "../command/failure.ts";
import { type FileSource, openFileSource } from "../sight/file-source.ts";
import { type CodeArea, findCode, type Program } from "./code-areas.ts";
import { higher, Listing, lower, type Range } from "./listing.ts";

/** The options of `isomorph disasm`. */
export interface DisasmOptions {
  readonly symbol?: string | undefined;
  readonly start?: bigint | undefined;
  readonly stop?: bigint | undefined;
  readonly origin?: bigint | undefined;
}

/** Characters that are written at once. */
const BLOCK = 1 << 16;
const NAMES_SHOWN = 3;

/** `isomorph disasm`. */
export async function disasmCommand(path: string, options: DisasmOptions): Promise<number> {
  const { symbol, start, stop } = options;
  if (symbol !== undefined && (start !== undefined || stop !== undefined)) {
    throw new UsageError("--symbol says where to start and stop: leave out --start and --stop");
  }
  if (start !== undefined && stop !== undefined && stop <= start) {
    throw new UsageError(`--stop 0x${stop.toString(16)} is not above --start 0x${start.toString(16)}`);
  }
  const source = openFileSource(path, path);
  try {
    await list(path, source, options);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_SYMBOLS_FORMAT") throw error;
    throw new CommandError(`${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    source.close();
  }
  return EXIT.OK;
}

async function list(path: string, source: FileSource, options: DisasmOptions): Promise<void> {
  const program = findCode(source, path, options.origin);
  const range = rangeOf(path, program, options);
  const areas = program.areas.filter((area) => overlaps(area, range));
  if (areas.length === 0)
    throw new CommandError(`${path}: has no code ${describeRange(range)}; ${whereCodeIs(program)}`);
  const listing = new Listing(source, program.symbols);
  const output = new Output();
  await output.write(`${path}: ${program.format}\n`);
  for (const area of areas) {
    await output.write(`\n${area.name}:\n`);
    for (const text of listing.lines(area, range)) {
      if (!(await output.write(text))) return;
    }
  }
  await output.flush();
}

function rangeOf(path: string, { symbols, areas }: Program, options: DisasmOptions): Range {
  if (options.symbol === undefined) return { start: options.start ?? 0n, stop: options.stop ?? 2n ** 64n };
  const found = symbols.named(options.symbol);
  if (found === undefined) throw new CommandError(`${path}: ${unknownSymbol(options.symbol, symbols)}`);
  const { address, size } = found;
  const area = areas.find((one) => overlaps(one, { start: address, stop: address + 1n }));
  const areaEnd = area === undefined ? address + 1n : area.address + BigInt(area.size);
  const next = symbols.next(address)?.address ?? areaEnd;
  return { start: address, stop: size > 0 ? address + BigInt(size) : next };
}

function unknownSymbol(name: string, symbols: Program["symbols"]): string {
  if (symbols.size === 0)
    return `has no symbols, so --symbol ${name} cannot be found: give --start and --stop`;
  const similar: string[] = [];
  for (const symbol of symbols) {
    if (symbol.name.includes(name) && similar.length < NAMES_SHOWN) similar.push(symbol.name);
  }
  return `has no symbol ${name}${similar.length === 0 ? "" : `; there is ${similar.join(", ")}`}`;
}

function overlaps({ address, size }: CodeArea, { start, stop }: Range): boolean {
  return address < stop && address + BigInt(size) > start;
}

function describeRange({ start, stop }: Range): string {
  return stop === 2n ** 64n
    ? `from 0x${start.toString(16)} on`
    : `from 0x${start.toString(16)} to 0x${stop.toString(16)}`;
}

function whereCodeIs({ areas }: Program): string {
  const ends = areas.map(({ address, size }) => address + BigInt(size));
  const end = ends.reduce(higher);
  const start = areas.map(({ address }) => address).reduce(lower);
  return `its code lies between 0x${start.toString(16)} and 0x${end.toString(16)}`;
}

/** Standard output in blocks, as fast as its reader takes them. */
class Output {
  #text = "";

  /** False when the reader has gone: there is nobody to write for. */
  async write(text: string): Promise<boolean> {
    this.#text += text;
    return this.#text.length < BLOCK || this.flush();
  }

  async flush(): Promise<boolean> {
    const { stdout } = process;
    const text = this.#text;
    this.#text = "";
    if (stdout.destroyed || stdout.writableEnded) return false;
    if (stdout.write(text)) return true;
    const gone = new AbortController();
    // A pipe whose reader has gone reports an error and closes: it never drains.
    await Promise.race([once(stdout, "drain", gone), once(stdout, "close", gone)]).catch(() => {});
    gone.abort();
    return !stdout.destroyed;
  }
}
