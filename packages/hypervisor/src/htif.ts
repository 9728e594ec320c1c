import type { GuestMemory } from "@isomorph/interface";
import { elfSymbols } from "./loader/elf.ts";
import type { VmOutcome } from "./outcome.ts";

/** Where a test program keeps the words of the host-target interface. All GPAs. */
export interface HtifOptions {
  /** A doubleword that the guest writes its requests to. */
  readonly tohost: number;
  /** A doubleword for the host's answers. */
  readonly fromhost?: number | undefined;
  /** Takes what the guest prints. Default: it is dropped. */
  readonly onconsole?: ((bytes: Uint8Array) => void) | undefined;
}

/** The symbols of a test program that the host-target interface and signature dumps go by. */
export interface HtifSymbols {
  readonly tohost: number;
  readonly fromhost: number | undefined;
  /** From `begin_signature` up to `end_signature`, where the program has both. */
  readonly signature: { readonly begin: number; readonly end: number } | undefined;
}

const DEVICE_SYSTEM_CALLS = 0;
const DEVICE_CONSOLE = 1;
const CONSOLE_PUTCHAR = 1;

/** System calls of the proxy kernel that test programs make: numbers as in Linux on RISC-V. */
const SYS_WRITE = 64;
const SYS_EXIT = 93;
const ENOSYS = 38;
const EFAULT = 14;

/** At most so many bytes go through one `write`; the guest may see a short count. */
const MAX_WRITE = 64 << 10;

/** The symbols in an ELF file; undefined where it has no `tohost`. Throws as `createVm` does on a file of another kind. */
export function htifSymbols(elf: Uint8Array): HtifSymbols | undefined {
  const names = ["tohost", "fromhost", "begin_signature", "end_signature"];
  const symbols = elfSymbols(elf, names);
  const tohost = symbols.get("tohost");
  if (tohost === undefined) return undefined;
  const begin = symbols.get("begin_signature");
  const end = symbols.get("end_signature");
  const signature = begin === undefined || end === undefined ? undefined : { begin, end };
  return { tohost, fromhost: symbols.get("fromhost"), signature };
}

/**
 * The signature region as text: one line for each 4 bytes, a little-endian word in eight hexadecimal digits, as
 * riscv-arch-test compares it. `granularity` sets another number of bytes for a line: 1, 2, 4, 8 or 16.
 */
export function signatureText(
  memory: GuestMemory,
  range: { readonly begin: number; readonly end: number },
  granularity: 1 | 2 | 4 | 8 | 16 = 4,
): string {
  const { begin, end } = range;
  if (!(end >= begin) || !memory.contains(begin, end - begin)) {
    throw new RangeError(
      `the signature 0x${begin.toString(16)} to 0x${end.toString(16)} is not in guest memory`,
    );
  }
  const bytes = memory.view(begin, end - begin);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += granularity) {
    let line = "";
    for (let i = granularity - 1; i >= 0; i--) line += (bytes[at + i] ?? 0).toString(16).padStart(2, "0");
    lines.push(`${line}\n`);
  }
  return lines.join("");
}

/**
 * The host-target interface of RISC-V test programs, polled between slices: exit codes, console output, and of the
 * proxied system calls `write` and `exit`.
 */
export class Htif {
  /** Requests served. */
  requests = 0;
  readonly #memory: GuestMemory;
  readonly #options: HtifOptions;
  readonly #end: (outcome: VmOutcome) => void;
  /** Offset of `tohost` in RAM. */
  readonly #tohost: number;

  constructor(memory: GuestMemory, options: HtifOptions, end: (outcome: VmOutcome) => void) {
    for (const name of ["tohost", "fromhost"] as const) {
      const gpa = options[name];
      if (gpa !== undefined && !(gpa % 8 === 0 && memory.contains(gpa, 8))) {
        throw new RangeError(
          `htif.${name} must be the address of a doubleword in guest memory, got 0x${gpa.toString(16)}`,
        );
      }
    }
    this.#memory = memory;
    this.#options = options;
    this.#end = end;
    this.#tohost = options.tohost - memory.base;
  }

  /** Looks for a request and serves it. */
  poll(): void {
    const { data } = this.#memory;
    const low = data.getUint32(this.#tohost, true);
    const high = data.getUint32(this.#tohost + 4, true);
    if (low === 0 && high === 0) return;
    this.requests++;
    this.#write(this.#options.tohost, 0n);
    const device = high >>> 24;
    const command = (high >>> 16) & 0xff;
    const payload = (high & 0xffff) * 2 ** 32 + low;
    if (device === DEVICE_SYSTEM_CALLS && command === 0) {
      if (payload % 2 === 1) this.#exit(Math.floor(payload / 2));
      else this.#systemCall(payload);
    } else if (device === DEVICE_CONSOLE && command === CONSOLE_PUTCHAR) {
      this.#options.onconsole?.(Uint8Array.of(low & 0xff));
      this.#answer((BigInt(DEVICE_CONSOLE) << 56n) | (BigInt(CONSOLE_PUTCHAR) << 48n));
    }
  }

  /** A call of the proxy kernel: number and arguments as doublewords at `gpa`, where the result goes too. */
  #systemCall(gpa: number): void {
    if (gpa % 8 !== 0 || !this.#memory.contains(gpa, 64)) return;
    const argument = (index: number) =>
      Number(this.#memory.data.getBigUint64(gpa - this.#memory.base + index * 8, true));
    const number = argument(0);
    if (number === SYS_EXIT) {
      this.#exit(argument(1));
      return;
    }
    const result = number === SYS_WRITE ? this.#writeCall(argument(2), argument(3)) : -ENOSYS;
    this.#write(gpa, BigInt(result));
    this.#answer(1n);
  }

  #writeCall(gpa: number, length: number): number {
    if (!this.#memory.contains(gpa, length)) return -EFAULT;
    const count = Math.min(length, MAX_WRITE);
    this.#options.onconsole?.(this.#memory.view(gpa, count).slice());
    return count;
  }

  #exit(code: number): void {
    this.#end({ reason: "power-off", code });
  }

  #answer(value: bigint): void {
    if (this.#options.fromhost !== undefined) this.#write(this.#options.fromhost, value);
  }

  #write(gpa: number, value: bigint): void {
    this.#memory.data.setBigUint64(gpa - this.#memory.base, BigInt.asUintN(64, value), true);
    this.#memory.markDirty(gpa, 8);
  }
}
