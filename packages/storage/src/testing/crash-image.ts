import type { DiskEvent } from "./recording-disk.ts";

/** Bytes that a medium writes as a whole. */
const SECTOR = 512;

type Change = Extract<DiskEvent, { offset: number }>;

interface Kept {
  readonly change: Change;
  /** Position of the call's beginning and end among the events; no end while it was in flight. */
  readonly began: number;
  readonly ended: number;
  readonly durable: boolean;
}

/**
 * One state that a medium may be in after its power failed at `events[cut]`.
 *
 * What a successful flush covers (changes that had completed when it began), and completed writes with FUA, are there
 * in full. Of every other change that had begun, `random` picks all, nothing, or any of its 512-byte sectors; changes
 * that overlapped in time may have arrived in either order.
 *
 * @param image what the medium held before the first event; changed in place and given back.
 * @param random gives numbers in `[0, 1)`.
 */
export function crashImage(
  image: Uint8Array,
  events: readonly DiskEvent[],
  cut: number,
  random: () => number,
): Uint8Array {
  const changes = changesBefore(events, cut);
  for (let i = 1; i < changes.length; i++) {
    const [earlier, later] = [changes[i - 1] as Kept, changes[i] as Kept];
    if (earlier.ended > later.began && random() < 0.5) {
      changes[i - 1] = later;
      changes[i] = earlier;
    }
  }
  for (const { change, durable } of changes) {
    const fate = durable ? 0 : random();
    // A third arrives in full, a third not at all, a third in part.
    if (fate < 1 / 3) apply(image, change, () => true);
    else if (fate > 2 / 3) apply(image, change, () => random() < 0.5);
  }
  return image;
}

function changesBefore(events: readonly DiskEvent[], cut: number): Kept[] {
  const began = new Map<number, number>();
  const ended = new Map<number, number>();
  let covered = -1;
  for (let at = 0; at < cut; at++) {
    const event = events[at] as DiskEvent;
    if (event.type !== "done") {
      began.set(event.call, at);
    } else if (event.ok) {
      ended.set(event.call, at);
      const start = began.get(event.call) ?? 0;
      if (events[start]?.type === "flush") covered = Math.max(covered, start);
    }
  }
  const changes: Kept[] = [];
  for (let at = 0; at < cut; at++) {
    const change = events[at] as DiskEvent;
    if (change.type === "done" || change.type === "flush") continue;
    const end = ended.get(change.call) ?? Number.POSITIVE_INFINITY;
    const forced = change.type !== "discard" && change.fua && end < cut;
    changes.push({ change, began: at, ended: end, durable: forced || end < covered });
  }
  return changes;
}

function apply(image: Uint8Array, change: Change, arrives: () => boolean): void {
  const length = change.type === "write" ? change.data.length : change.length;
  for (let at = 0; at < length; at += SECTOR) {
    if (!arrives()) continue;
    const end = Math.min(at + SECTOR, length);
    if (change.type === "write") image.set(change.data.subarray(at, end), change.offset + at);
    else image.fill(0, change.offset + at, change.offset + end);
  }
}
