import type { FunctionRef, Int } from "@isomorph/wasm";
import type { HostAddresses } from "./host-addresses.ts";
import type { HartBlocks } from "./machine-memory.ts";

/** What the memory functions call outside, imported by the module's maker. Physical addresses are exact below 2^53. */
export interface MmuImports {
  /** (address, size): whether a device answers an access of `size` bytes at that guest physical address. */
  readonly mmioCovers: FunctionRef<readonly ["f64", "i32"], "i32">;
  /** (address, size): reads 1, 2 or 4 bytes. Only the low `size` bytes of the integer given back count. */
  readonly mmioRead: FunctionRef<readonly ["f64", "i32"], "f64">;
  /** (address, size, value): writes 1, 2 or 4 bytes, the value being unsigned. */
  readonly mmioWrite: FunctionRef<readonly ["f64", "i32", "f64"], undefined>;
  readonly mmioRead64: FunctionRef<readonly ["f64"], "i64">;
  readonly mmioWrite64: FunctionRef<readonly ["f64", "i64"], undefined>;
  /**
   * (ramOffset, length): the guest is about to write there, and the page holds translated code. Whoever drops all
   * the page's code may clear its CODE flag; until then every store to the page comes here. The offset is as wide as host
   * addresses.
   */
  readonly codeWritten: FunctionRef<readonly [Int, "i32"], undefined>;
}

/** What is fixed when the module is made. */
export interface MmuOptions {
  /** Guest physical address of the first byte of RAM. */
  readonly ramBase: number;
  /** Bytes of RAM. */
  readonly ramSize: number;
  /** Of the module's memories. */
  readonly host: HostAddresses;
  /** Host address of the first byte of RAM. */
  readonly ramOffset: number;
  /** Address of the first page's flag byte, in memory 0. */
  readonly pageFlagsOffset: number;
  readonly harts: HartBlocks;
  readonly imports: MmuImports;
  /** Where harts run in threads of their own: what they share beyond RAM. */
  readonly threads?: MmuThreads | undefined;
}

/** What is different where each hart has a thread. */
export interface MmuThreads {
  /** Address of the first page's byte, in memory 0, of {@link MachineMemory.codeHolders}, which replaces the flag CODE. */
  readonly codeHoldersOffset: number;
  /**
   * Offset in a hart's block of a word (4 bytes) that `mmioRead` and `mmioWrite` make 1 where no device answers.
   * They are asked without `mmioCovers`, since each call may be one to another thread.
   */
  readonly unansweredOffset: number;
}
