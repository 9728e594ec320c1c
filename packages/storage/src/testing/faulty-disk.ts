import type {
  BlockBackend,
  Extent,
  MaybePromise,
  WriteOptions,
  WriteZeroesOptions,
} from "@isomorph/interface";
import { refuseClosed } from "../block-range.ts";
import { diskError } from "../disk-error.ts";

/** A call that arrived at a faulty disk. */
export interface DiskCall {
  readonly type: "read" | "write" | "flush" | "discard" | "writeZeroes" | "extents";
  /** Number of the call, counted from 0. */
  readonly index: number;
  /** Bytes; 0 for a flush. */
  readonly offset: number;
  readonly length: number;
}

/** What is to go wrong with a call. */
export interface Fault {
  /** The call begins only when this is fulfilled; so every answer comes later. */
  readonly after?: Promise<unknown>;
  /** The call fails with this code (`EIO`, `ENOSPC`, ...). */
  readonly code?: string;
  /** Of a write that fails, this many bytes arrive: a multiple of the block size. Default 0. */
  readonly torn?: number;
}

/** Passes calls to `backend`, but for the faults that `plan` gives. */
export function faultyDisk(backend: BlockBackend, plan: (call: DiskCall) => Fault | undefined): BlockBackend {
  let index = 0;
  let closing: Promise<void> | undefined;
  /** Calls that wait for their fault's `after`: the disk below does not know of them yet. */
  const waiting = new Set<Promise<unknown>>();

  function carryOut<T>(
    type: DiskCall["type"],
    offset: number,
    length: number,
    run: () => MaybePromise<T>,
    tear?: (torn: number) => MaybePromise<void>,
  ): MaybePromise<T> {
    if (closing !== undefined) refuseClosed("faulty disk");
    const fault = plan({ type, index: index++, offset, length });
    if (fault === undefined) return run();
    const { after, code, torn = 0 } = fault;
    const fail = (): never => {
      throw diskError(code ?? "EIO", `injected ${code} in ${type} of ${length} bytes at ${offset}`);
    };
    const begin = (): MaybePromise<T> => {
      if (code === undefined) return run();
      const arrived = torn > 0 ? tear?.(Math.min(torn, length)) : undefined;
      return arrived === undefined ? fail() : arrived.then(fail);
    };
    if (after === undefined) return begin();
    const call = after.then(begin);
    waiting.add(call);
    const done = (): void => {
      waiting.delete(call);
    };
    call.then(done, done);
    return call;
  }

  return {
    size: backend.size,
    blockSize: backend.blockSize,
    readOnly: backend.readOnly,
    read: (offset: number, target: Uint8Array) =>
      carryOut("read", offset, target.length, () => backend.read(offset, target)),
    write: (offset: number, source: Uint8Array, options?: WriteOptions) =>
      carryOut(
        "write",
        offset,
        source.length,
        () => backend.write(offset, source, options),
        (torn) => backend.write(offset, source.subarray(0, torn)),
      ),
    flush: () => carryOut("flush", 0, 0, () => backend.flush()),
    discard: (offset: number, length: number) =>
      carryOut("discard", offset, length, () => backend.discard(offset, length)),
    writeZeroes: (offset: number, length: number, options?: WriteZeroesOptions) =>
      carryOut(
        "writeZeroes",
        offset,
        length,
        () => backend.writeZeroes(offset, length, options),
        (torn) => backend.writeZeroes(offset, torn),
      ),
    extents: (offset: number, length: number): MaybePromise<readonly Extent[]> =>
      carryOut("extents", offset, length, () => backend.extents(offset, length)),
    close() {
      closing ??= Promise.allSettled(waiting).then(() => backend.close());
      return closing;
    },
  };
}
