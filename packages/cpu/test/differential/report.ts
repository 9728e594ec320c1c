import { disassemble } from "../../src/disasm.ts";
import { FLOAT_REGISTERS, INTEGER_REGISTERS } from "../../src/isa/names.ts";
import { initialNumber } from "./image.ts";
import {
  INPUT_CSRS,
  Input,
  MAX_TRAPS,
  OUTPUT,
  OUTPUT_CSRS,
  Output,
  RAM_BASE,
  RECORD_BYTES,
  RECORDS,
  TRAP_BYTES,
  TRAP_FIELDS,
} from "./layout.ts";
import { placesOf, type Sequence } from "./sequence.ts";

/** A piece of state that two machines ended with differently. */
export interface Difference {
  readonly name: string;
  readonly expected: bigint;
  readonly actual: bigint;
}

/** Names and places of what a record holds after its sequence, the log first. */
function* stored(sequence: Sequence, record: number): Generator<readonly [name: string, offset: number]> {
  const output = record + OUTPUT;
  yield ["number of traps", output + Output.TRAPS];
  for (let trap = 0; trap < MAX_TRAPS; trap++) {
    for (const [field, name] of TRAP_FIELDS.entries()) {
      yield [`trap ${trap} ${name}`, output + Output.LOG + TRAP_BYTES * trap + 8 * field];
    }
  }
  yield ["mstatus at the end", output + Output.MSTATUS];
  for (const [n, name] of OUTPUT_CSRS.entries()) yield [name, output + Output.CSRS + 8 * n];
  for (let n = 1; n < 32; n++) yield [`x${n} (${INTEGER_REGISTERS[n]})`, output + Output.X + 8 * n];
  for (let n = 0; n < 32; n++) yield [`f${n} (${FLOAT_REGISTERS[n]})`, output + Output.F + 8 * n];
  for (const [n, { address }] of sequence.windows.entries()) {
    yield [`memory at 0x${address.toString(16)}`, record + Input.WINDOWS + 16 * n + 8];
  }
}

/** What a sequence left in one RAM and not in the other. */
export function differences(
  sequence: Sequence,
  slot: number,
  expected: Uint8Array,
  actual: Uint8Array,
): Difference[] {
  const record = RECORDS - RAM_BASE + RECORD_BYTES * slot;
  const a = new DataView(expected.buffer, expected.byteOffset);
  const b = new DataView(actual.buffer, actual.byteOffset);
  return [...stored(sequence, record)].flatMap(([name, offset]) => {
    const [x, y] = [a.getBigUint64(offset, true), b.getBigUint64(offset, true)];
    return x === y ? [] : [{ name, expected: x, actual: y }];
  });
}

const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

/** The sequence as text: its start state and its instructions. */
export function describeSequence(sequence: Sequence): string {
  const { items, windows, mode, mstatus, csrs, codeVirtual, codePhysical, translated } = sequence;
  const places = placesOf(items);
  const base = translated ? codeVirtual : BigInt(codePhysical);
  const used = new Set(items.flatMap((item, index) => registersOf(item.encode(index, places))));
  const registers = [...used]
    .sort((p, q) => p - q)
    .map((n) => {
      const value = initialNumber(sequence.x[n] ?? 0n, sequence);
      return `${INTEGER_REGISTERS[n]}=${hex(value)}`;
    });
  return [
    `mode ${mode}, mstatus ${hex(mstatus)}, code at ${hex(codeVirtual)} = 0x${codePhysical.toString(16)}`,
    INPUT_CSRS.map((name) => `${name}=${hex(csrs[name])}`).join(" "),
    registers.join(" "),
    sequence.f.map((value, n) => `${FLOAT_REGISTERS[n]}=${hex(value)}`).join(" "),
    windows.map(({ address, value }) => `[0x${address.toString(16)}]=${hex(value)}`).join(" "),
    ...items.map((item, index) => {
      const pc = base + BigInt(places.offsets[index] as number);
      return `  ${hex(pc)}: ${disassemble(item.encode(index, places), pc).text}`;
    }),
  ].join("\n");
}

/** The integer registers that an instruction's text names. */
function registersOf(bits: number): number[] {
  const words = disassemble(bits).text.split(/[\s,()]+/);
  return words.flatMap((word) => (INTEGER_REGISTERS.includes(word) ? [INTEGER_REGISTERS.indexOf(word)] : []));
}

/** A few differences as lines. */
export function describeDifferences(found: readonly Difference[], names: readonly [string, string]): string {
  const lines = found
    .slice(0, 12)
    .map(
      ({ name, expected, actual }) => `  ${name}: ${names[0]} ${hex(expected)}, ${names[1]} ${hex(actual)}`,
    );
  if (found.length > lines.length) lines.push(`  and ${found.length - lines.length} more`);
  return lines.join("\n");
}

/** The traps that a sequence took, a line each. */
export function describeTraps(slot: number, ram: Uint8Array): string {
  const view = new DataView(ram.buffer, ram.byteOffset);
  const output = RECORDS - RAM_BASE + RECORD_BYTES * slot + OUTPUT;
  const count = Number(view.getBigUint64(output + Output.TRAPS, true));
  return Array.from({ length: Math.min(count, MAX_TRAPS) }, (_, trap) => {
    const at = output + Output.LOG + TRAP_BYTES * trap;
    return `  ${TRAP_FIELDS.map((name, n) => `${name}=${view.getBigUint64(at + 8 * n, true).toString(16)}`).join(" ")}`;
  }).join("\n");
}
