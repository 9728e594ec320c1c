import { harness, supervisorVector } from "./harness.ts";
import {
  CODE,
  CODE_BYTES,
  CODE_SHIFT,
  CODE_SLOT,
  CONTEXT,
  Context,
  INPUT_CSRS,
  Input,
  MAX_RECORDS,
  MAX_TRAPS,
  MAX_WINDOWS,
  RAM_BASE,
  RECORD_BYTES,
  RECORDS,
  S_VECTOR,
} from "./layout.ts";
import { sharedEntries } from "./page-tables.ts";
import { type InitialValue, placesOf, type Sequence } from "./sequence.ts";

/** What ends a sequence: an instruction that is illegal in every mode and has no length in the record's table. */
const END = 0xc0001073;

/** Physical address of the code of the sequence with this number. */
export function codeAddress(index: number): number {
  return CODE + CODE_SHIFT + index * CODE_SLOT;
}

/** The RAM that runs these sequences, from its start to the last record. */
export function buildImage(sequences: readonly Sequence[]): Uint8Array {
  if (sequences.length > MAX_RECORDS) throw new RangeError(`${sequences.length} sequences do not fit`);
  const end = RECORDS + sequences.length * RECORD_BYTES;
  const bytes = new Uint8Array(Math.ceil((end - RAM_BASE) / 4096) * 4096);
  const view = new DataView(bytes.buffer);
  const put = (address: number, value: bigint): void =>
    view.setBigUint64(address - RAM_BASE, BigInt.asUintN(64, value), true);
  bytes.set(harness().bytes);
  bytes.set(supervisorVector().bytes, S_VECTOR - RAM_BASE);
  for (const [address, value] of sharedEntries()) put(address, value);
  put(CONTEXT + Context.END, BigInt(end));
  sequences.forEach((sequence, index) => {
    writeCode(view, sequence);
    writeRecord(view, put, RECORDS + index * RECORD_BYTES, sequence);
  });
  return bytes;
}

function writeCode(view: DataView, { items, codePhysical }: Sequence): void {
  const places = placesOf(items);
  const { offsets } = places;
  const at = codePhysical - RAM_BASE;
  items.forEach((item, index) => {
    const bits = item.encode(index, places);
    const place = at + (offsets[index] as number);
    if (item.length === 2) view.setUint16(place, bits, true);
    else view.setUint32(place, bits >>> 0, true);
  });
  const end = offsets.at(-1) as number;
  if (end + 4 > CODE_BYTES) throw new RangeError(`${end} bytes of code do not fit`);
  view.setUint32(at + end, END, true);
}

/** The number that an initial value is, where the sequence lies. */
export function initialNumber(value: InitialValue, sequence: Sequence): bigint {
  if (typeof value === "bigint") return value;
  const { offsets, landing } = placesOf(sequence.items);
  const offset = BigInt(offsets[landing(value.item)] as number);
  return offset + (value.base === "virtual" ? sequence.codeVirtual : BigInt(sequence.codePhysical));
}

function writeRecord(
  view: DataView,
  put: (address: number, value: bigint) => void,
  record: number,
  sequence: Sequence,
): void {
  const { csrs, x, f, windows, items, codeVirtual, codePhysical, translated } = sequence;
  if (windows.length > MAX_WINDOWS) throw new RangeError(`${windows.length} windows do not fit`);
  put(record + Input.CODE_VIRTUAL, codeVirtual);
  put(record + Input.CODE_PHYSICAL, BigInt(codePhysical));
  put(record + Input.ENTRY, translated ? codeVirtual : BigInt(codePhysical));
  put(record + Input.MSTATUS, sequence.mstatus);
  put(record + Input.S_VECTOR, csrs.stvec & ~3n);
  put(record + Input.TRAPS_LEFT, BigInt(MAX_TRAPS));
  put(record + Input.WINDOW_COUNT, BigInt(windows.length));
  for (const [n, name] of INPUT_CSRS.entries()) put(record + Input.CSRS + 8 * n, csrs[name]);
  for (const [n, value] of x.entries()) put(record + Input.X + 8 * n, initialNumber(value, sequence));
  for (const [n, value] of f.entries()) put(record + Input.F + 8 * n, value);
  windows.forEach(({ address, value }, n) => {
    put(record + Input.WINDOWS + 16 * n, BigInt(address));
    put(record + Input.WINDOWS + 16 * n + 8, value);
  });
  const { offsets } = placesOf(items);
  items.forEach(({ length }, index) => {
    view.setUint8(record - RAM_BASE + Input.LENGTHS + (offsets[index] as number) / 2, length);
  });
}
