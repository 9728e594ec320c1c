import type { DevicetreeValue } from "@isomorph/interface";

/** A device tree node as it is written down: properties and children by name, in order. */
export interface DevicetreeNode {
  readonly properties: { readonly [name: string]: DevicetreeValue };
  readonly children?: { readonly [name: string]: DevicetreeNode };
}

/** What the blob holds beside the tree. */
export interface FlattenOptions {
  /** Memory reservation block (section 5.3): ranges that the client program must not touch. */
  readonly reservations?: readonly { readonly gpa: number; readonly size: number }[];
  /** `boot_cpuid_phys` (section 5.2). Default 0. */
  readonly bootHart?: number;
}

const FDT_MAGIC = 0xd00dfeed;
const FDT_BEGIN_NODE = 1;
const FDT_END_NODE = 2;
const FDT_PROP = 3;
const FDT_END = 9;
const HEADER_SIZE = 40;

/** Characters of node and property names (sections 2.2.1 and 2.2.4.1). */
const nodeNamePattern = /^[A-Za-z][0-9A-Za-z,._+-]{0,30}(@[0-9A-Za-z,._+-]+)?$/;
const propertyNamePattern = /^[0-9A-Za-z,._+?#-]{1,31}$/;

const encoder = new TextEncoder();

/**
 * Writes a tree as a flattened device tree blob, version 17 (Devicetree Specification 0.4, chapter 5): header, memory
 * reservation block, structure block, strings block, all big-endian.
 *
 * Numbers are 32-bit cells; `true` is an empty property. A name or cell that the specification does not allow is a
 * RangeError.
 */
export function flattenDevicetree(root: DevicetreeNode, options: FlattenOptions = {}): Uint8Array {
  const structure = new ByteSink();
  const strings = new StringTable();
  writeNode(structure, strings, "", root);
  structure.cell(FDT_END);

  const reservations = options.reservations ?? [];
  const structureAt = HEADER_SIZE + (reservations.length + 1) * 16;
  const stringsAt = structureAt + structure.length;
  const totalSize = align8(stringsAt + strings.bytes.length);

  const head = new ByteSink();
  const cells = [FDT_MAGIC, totalSize, structureAt, stringsAt, HEADER_SIZE, 17, 16, options.bootHart ?? 0];
  for (const value of [...cells, strings.bytes.length, structure.length]) head.cell(value);
  for (const { gpa, size } of [...reservations, { gpa: 0, size: 0 }]) {
    for (const value of [...cellPair(gpa), ...cellPair(size)]) head.cell(value);
  }

  const blob = new Uint8Array(totalSize);
  blob.set(head.finish(), 0);
  blob.set(structure.finish(), structureAt);
  blob.set(strings.bytes.finish(), stringsAt);
  return blob;
}

/** A 64-bit value below 2^53 as two cells, the high one first: addresses and sizes under `#address-cells = <2>`. */
export function cellPair(value: number): [number, number] {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a 64-bit cell pair: ${value}`);
  return [Math.floor(value / 2 ** 32), value % 2 ** 32];
}

function writeNode(out: ByteSink, strings: StringTable, name: string, node: DevicetreeNode): void {
  out.cell(FDT_BEGIN_NODE);
  out.text(name);
  out.pad(4);
  for (const [property, value] of Object.entries(node.properties)) {
    if (!propertyNamePattern.test(property)) {
      throw new RangeError(`not a device tree property name: "${property}"`);
    }
    const bytes = propertyBytes(property, value);
    out.cell(FDT_PROP);
    out.cell(bytes.length);
    out.cell(strings.offset(property));
    out.raw(bytes);
    out.pad(4);
  }
  for (const [child, childNode] of Object.entries(node.children ?? {})) {
    if (!nodeNamePattern.test(child)) throw new RangeError(`not a device tree node name: "${child}"`);
    writeNode(out, strings, child, childNode);
  }
  out.cell(FDT_END_NODE);
}

function propertyBytes(name: string, value: DevicetreeValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const out = new ByteSink();
  if (value === true) return out.finish();
  for (const item of Array.isArray(value) ? value : [value]) {
    if (typeof item === "string") {
      if (item.includes("\0")) throw new RangeError(`device tree property "${name}" holds a NUL`);
      out.text(item);
    } else if (Number.isInteger(item) && item >= 0 && item <= 0xffffffff) {
      out.cell(item);
    } else {
      throw new RangeError(`device tree property "${name}" holds ${item}, which is no 32-bit cell`);
    }
  }
  return out.finish();
}

function align8(value: number): number {
  return Math.ceil(value / 8) * 8;
}

/** A growing run of bytes. */
class ByteSink {
  length = 0;
  #bytes = new Uint8Array(256);

  cell(value: number): void {
    const at = this.#grow(4);
    new DataView(this.#bytes.buffer).setUint32(at, value);
  }

  /** UTF-8 with a terminating NUL. */
  text(value: string): void {
    this.raw(encoder.encode(value));
    this.#grow(1);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  pad(alignment: number): void {
    this.#grow((alignment - (this.length % alignment)) % alignment);
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  #grow(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.#bytes.length) {
      const larger = new Uint8Array(this.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}

/** The strings block: each property name once. */
class StringTable {
  readonly bytes = new ByteSink();
  readonly #offsets = new Map<string, number>();

  offset(name: string): number {
    let offset = this.#offsets.get(name);
    if (offset === undefined) {
      offset = this.bytes.length;
      this.#offsets.set(name, offset);
      this.bytes.text(name);
    }
    return offset;
  }
}
