import type {
  BlockBackend,
  Extent,
  MaybePromise,
  WriteOptions,
  WriteZeroesOptions,
} from "@isomorph/interface";
import { isPending } from "../settle.ts";

/** One thing that happened at a {@link RecordingDisk}, in order of time. */
export type DiskEvent =
  | {
      readonly type: "write";
      readonly call: number;
      readonly offset: number;
      /** A copy of what was to be written. */
      readonly data: Uint8Array;
      readonly fua: boolean;
    }
  | {
      readonly type: "writeZeroes";
      readonly call: number;
      readonly offset: number;
      readonly length: number;
      readonly fua: boolean;
    }
  | { readonly type: "discard"; readonly call: number; readonly offset: number; readonly length: number }
  | { readonly type: "flush"; readonly call: number }
  | { readonly type: "done"; readonly call: number; readonly ok: boolean };

/** A disk that remembers every change and flush that reached it. */
export interface RecordingDisk extends BlockBackend {
  /** What happened so far; the array grows. A call is there when it begins, and again (`done`) when it ends. */
  readonly events: readonly DiskEvent[];
}

type Started = { [T in DiskEvent as T["type"]]: Omit<T, "call"> }[Exclude<DiskEvent["type"], "done">];

/** Records what reaches `backend`. */
export function recordingDisk(backend: BlockBackend): RecordingDisk {
  const events: DiskEvent[] = [];
  let calls = 0;

  function record(event: Started, run: () => MaybePromise<void>): MaybePromise<void> {
    const call = calls++;
    events.push({ ...event, call } as DiskEvent);
    const done = (ok: boolean): void => {
      events.push({ type: "done", call, ok });
    };
    try {
      const result = run();
      if (isPending(result)) {
        return result.then(
          () => done(true),
          (error: unknown) => {
            done(false);
            throw error;
          },
        );
      }
    } catch (error) {
      done(false);
      throw error;
    }
    done(true);
  }

  return {
    events,
    size: backend.size,
    blockSize: backend.blockSize,
    readOnly: backend.readOnly,
    read: (offset: number, target: Uint8Array) => backend.read(offset, target),
    write(offset: number, source: Uint8Array, options?: WriteOptions) {
      const event = { type: "write", offset, data: source.slice(), fua: options?.fua ?? false } as const;
      return record(event, () => backend.write(offset, source, options));
    },
    flush: () => record({ type: "flush" }, () => backend.flush()),
    discard(offset: number, length: number) {
      return record({ type: "discard", offset, length }, () => backend.discard(offset, length));
    },
    writeZeroes(offset: number, length: number, options?: WriteZeroesOptions) {
      const event = { type: "writeZeroes", offset, length, fua: options?.fua ?? false } as const;
      return record(event, () => backend.writeZeroes(offset, length, options));
    },
    extents: (offset: number, length: number): MaybePromise<readonly Extent[]> =>
      backend.extents(offset, length),
    close: () => backend.close(),
  };
}
