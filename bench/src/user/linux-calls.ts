import type { UserProcessor } from "@isomorph/cpu";
import type { AddressSpace } from "./address-space.ts";

/** What system calls work on. */
export interface CallEnvironment {
  readonly memory: UserProcessor["memory"];
  readonly space: AddressSpace;
  /** Takes what the program writes to standard output (1) and standard error (2). */
  readonly write: (descriptor: number, bytes: Uint8Array) => void;
  /** Makes code that the program has stored visible to its fetches. */
  readonly fenceInstruction: () => void;
  /** Called with the status when the program exits. */
  readonly exit: (status: number) => void;
}

/** Error numbers (`asm-generic/errno-base.h`, `errno.h`), as calls give them back. */
const ENOENT = -2;
const EBADF = -9;
const ENOMEM = -12;
const EFAULT = -14;
const EINVAL = -22;
const ENOTTY = -25;
const ENOSYS = -38;

type Arguments = readonly number[];
type Call = (environment: CallEnvironment, args: Arguments) => number;

const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
/** Highest address plus one that a range may have; beyond, numbers are not exact. */
const HIGHEST = 2 ** 53;

/** The bytes of a range; undefined where there are none. */
function bytesAt({ memory }: CallEnvironment, address: number, length: number): Uint8Array | undefined {
  const isThere = length >= 0 && address + length < HIGHEST && memory.contains(address, length);
  return isThere ? memory.view(address, length) : undefined;
}

/** Gives a structure back to the program. */
function put(environment: CallEnvironment, address: number, bytes: Uint8Array): number {
  const target = bytesAt(environment, address, bytes.length);
  if (target === undefined) return EFAULT;
  target.set(bytes);
  environment.memory.markDirty(address, bytes.length);
  return 0;
}

function doublewords(...values: readonly number[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
}

function write(environment: CallEnvironment, [descriptor = 0, address = 0, length = 0]: Arguments): number {
  if (descriptor !== 1 && descriptor !== 2) return EBADF;
  const bytes = bytesAt(environment, address, length);
  if (bytes === undefined) return EFAULT;
  environment.write(descriptor, bytes);
  return length;
}

function writev(environment: CallEnvironment, [descriptor = 0, vectors = 0, count = 0]: Arguments): number {
  const table = count >= 0 && count <= 1024 ? bytesAt(environment, vectors, count * 16) : undefined;
  if (table === undefined) return EFAULT;
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  let written = 0;
  for (let at = 0; at < table.length; at += 16) {
    const address = Number(view.getBigUint64(at, true));
    const done = write(environment, [descriptor, address, Number(view.getBigUint64(at + 8, true))]);
    if (done < 0) return written > 0 ? written : done;
    written += done;
  }
  return written;
}

/** `struct stat` of a character device for the standard descriptors (`asm-generic/stat.h`). */
function fstat(environment: CallEnvironment, [descriptor = 0, address = 0]: Arguments): number {
  if (!(descriptor >= 0 && descriptor <= 2)) return EBADF;
  const stat = new DataView(new ArrayBuffer(128));
  stat.setUint32(16, 0o020620, true);
  stat.setUint32(20, 1, true);
  stat.setUint32(56, 1024, true);
  return put(environment, address, new Uint8Array(stat.buffer));
}

function mmap(environment: CallEnvironment, [, length = 0, , flags = 0]: Arguments): number {
  if ((flags & MAP_FIXED) !== 0 || (flags & MAP_ANONYMOUS) === 0) return EINVAL;
  return environment.space.map(length) ?? ENOMEM;
}

/** CLOCK_REALTIME and its coarse kind; all others count from the start of this process. */
const REALTIME: ReadonlySet<number> = new Set([0, 5]);

function clockGettime(environment: CallEnvironment, [clock = 0, address = 0]: Arguments): number {
  const milliseconds = performance.now() + (REALTIME.has(clock) ? performance.timeOrigin : 0);
  return put(environment, address, timeOf(milliseconds, 1_000_000));
}

/** Seconds, and what is left in units of which there are so many in a millisecond. */
function timeOf(milliseconds: number, units: number): Uint8Array {
  const seconds = Math.floor(milliseconds / 1000);
  return doublewords(seconds, Math.floor((milliseconds - seconds * 1000) * units));
}

/** `struct utsname`: six fields of 65 bytes. */
function uname(environment: CallEnvironment, [address = 0]: Arguments): number {
  const text = new Uint8Array(6 * 65);
  for (const [index, field] of ["Linux", "isomorph", "6.1.0", "#1", "riscv64", ""].entries()) {
    text.set(new TextEncoder().encode(field), index * 65);
  }
  return put(environment, address, text);
}

/** No limits but that of the stack. */
function prlimit64(environment: CallEnvironment, [, resource = 0, , old = 0]: Arguments): number {
  if (old === 0) return 0;
  const RLIMIT_STACK = 3;
  const limit = resource === RLIMIT_STACK ? 8 << 20 : -1;
  return put(environment, old, doublewords(limit, -1));
}

function getrandom(environment: CallEnvironment, [address = 0, length = 0]: Arguments): number {
  const part = Math.min(length, 65536);
  const error = put(environment, address, crypto.getRandomValues(new Uint8Array(Math.max(part, 0))));
  return error === 0 ? part : error;
}

function exit({ exit }: CallEnvironment, [status = 0]: Arguments): number {
  exit(status & 255);
  return 0;
}

const ok: Call = () => 0;
const one: Call = () => 1;

/** By number (`asm-generic/unistd.h`; 258 and up: `asm/unistd.h` of riscv). */
const CALLS: Readonly<Record<number, Call>> = {
  29: () => ENOTTY, // ioctl
  56: () => ENOENT, // openat
  57: ok, // close
  62: () => EBADF, // lseek
  63: (_, [descriptor]) => (descriptor === 0 ? 0 : EBADF), // read: at the end
  64: write,
  66: writev,
  78: () => ENOENT, // readlinkat
  79: (environment, [descriptor = 0, path = 0, address = 0]) =>
    bytesAt(environment, path, 1)?.[0] === 0 ? fstat(environment, [descriptor, address]) : ENOENT,
  80: fstat,
  93: exit,
  94: exit, // exit_group
  96: one, // set_tid_address
  98: ok, // futex: of one thread, nobody waits
  99: ok, // set_robust_list
  113: clockGettime,
  134: ok, // rt_sigaction: no signal is ever delivered
  135: ok, // rt_sigprocmask
  153: (environment, [address = 0]) => {
    const ticks = Math.floor(performance.now() / 10);
    const error = address === 0 ? 0 : put(environment, address, doublewords(ticks, 0, 0, 0));
    return error === 0 ? ticks : error;
  }, // times
  160: uname,
  169: (environment, [address = 0]) =>
    put(environment, address, timeOf(performance.now() + performance.timeOrigin, 1000)), // gettimeofday
  172: one, // getpid
  174: ok, // getuid, geteuid, getgid, getegid
  175: ok,
  176: ok,
  177: ok,
  178: one, // gettid
  214: ({ space }, [to = 0]) => space.moveBreak(to),
  215: ({ space }, [start = 0, length = 0]) => {
    space.unmap(start, length);
    return 0;
  },
  222: mmap,
  226: ok, // mprotect: all memory may be accessed in every way
  233: ok, // madvise
  259: ({ fenceInstruction }) => {
    fenceInstruction();
    return 0;
  }, // riscv_flush_icache
  261: prlimit64,
  278: getrandom,
};

/** Does a system call and gives its result back; -ENOSYS for those that there are not. */
export function linuxCall(environment: CallEnvironment, number: number, args: Arguments): number {
  return CALLS[number]?.(environment, args) ?? ENOSYS;
}
