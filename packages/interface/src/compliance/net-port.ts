import type { MaybePromise } from "../maybe-promise.ts";
import type { NetPort } from "../net.ts";
import { ok, same, sameBytes } from "./assert.ts";
import type { ComplianceCase } from "./case.ts";

const HEADER = 14;

/** Two ports on one otherwise idle segment that loses nothing while its receivers take everything. */
export interface NetPortSubject {
  readonly near: NetPort;
  readonly far: NetPort;
  /** Resolves when frames sent so far have arrived. Without it they have arrived when `send` returns. */
  settle?(): Promise<void>;
  close?(): MaybePromise<void>;
}

/** Checks of the {@link NetPort} contract. `open` makes a fresh segment each time. */
export function netPortCases(open: () => MaybePromise<NetPortSubject>): ComplianceCase[] {
  const cases: ComplianceCase[] = [];
  const add = (name: string, check: (segment: Segment) => Promise<void>): void => {
    const run = async (): Promise<void> => {
      const subject = await open();
      try {
        await check(new Segment(subject));
      } finally {
        await subject.close?.();
      }
    };
    cases.push({ name, run });
  };

  add("the MTU is an integer of at least 68, the same at both ends", async ({ near, far }) => {
    ok(Number.isInteger(near.mtu) && near.mtu >= 68, `MTU is ${near.mtu}`);
    same(far.mtu, near.mtu, "MTU of the other end");
  });

  add("a frame arrives at the other end, unchanged", async (segment) => {
    const sent = frame(60, 1);
    const arrived = segment.listen(segment.far);
    same(segment.near.send(sent), true, "send");
    await segment.settle();
    same(arrived.length, 1, "count of frames");
    sameBytes(arrived[0] as Uint8Array, frame(60, 1), "the frame");
    sameBytes(sent, frame(60, 1), "the sender's array");
  });

  add("both directions work", async (segment) => {
    const atNear = segment.listen(segment.near);
    const atFar = segment.listen(segment.far);
    segment.near.send(frame(60, 1));
    segment.far.send(frame(61, 2));
    await segment.settle();
    sameBytes(atFar[0] ?? new Uint8Array(), frame(60, 1), "frame at the far end");
    sameBytes(atNear[0] ?? new Uint8Array(), frame(61, 2), "frame at the near end");
  });

  add("a sender does not hear itself", async (segment) => {
    const atNear = segment.listen(segment.near);
    segment.listen(segment.far);
    segment.near.send(frame(60, 1));
    await segment.settle();
    same(atNear.length, 0, "count of frames at the sender");
  });

  add("frames keep their order", async (segment) => {
    const arrived = segment.listen(segment.far);
    for (let seed = 0; seed < 32; seed++)
      same(segment.near.send(frame(60 + seed, seed)), true, `send ${seed}`);
    await segment.settle();
    same(arrived.length, 32, "count of frames");
    for (const [seed, bytes] of arrived.entries()) sameBytes(bytes, frame(60 + seed, seed), `frame ${seed}`);
  });

  add("the shortest and the longest frame pass", async (segment) => {
    const arrived = segment.listen(segment.far);
    for (const length of [HEADER, HEADER + 1, HEADER + segment.near.mtu]) {
      same(segment.near.send(frame(length, length)), true, `send of ${length} bytes`);
      await segment.settle();
      sameBytes(arrived.pop() ?? new Uint8Array(), frame(length, length), `frame of ${length} bytes`);
    }
  });

  add("frames too short or far too long are dropped", async (segment) => {
    const arrived = segment.listen(segment.far);
    for (const length of [0, 1, HEADER - 1, HEADER + segment.near.mtu + 1024, 1 << 20]) {
      same(segment.near.send(frame(length, 1)), false, `send of ${length} bytes`);
    }
    await segment.settle();
    same(arrived.length, 0, "count of frames");
    segment.near.send(frame(60, 2));
    await segment.settle();
    same(arrived.length, 1, "count of frames after a proper one");
  });

  add("a frame is borrowed: the sender may use its array again", async (segment) => {
    const arrived = segment.listen(segment.far);
    const buffer = frame(60, 1);
    segment.near.send(buffer);
    buffer.fill(0xee);
    await segment.settle();
    sameBytes(arrived[0] ?? new Uint8Array(), frame(60, 1), "the frame");
  });

  add("a window into a larger array is sent as the window", async (segment) => {
    const arrived = segment.listen(segment.far);
    const larger = new Uint8Array(256).fill(0xee);
    larger.set(frame(60, 1), 100);
    segment.near.send(larger.subarray(100, 160));
    await segment.settle();
    sameBytes(arrived[0] ?? new Uint8Array(), frame(60, 1), "the frame");
  });

  add("nobody listening is no error", async (segment) => {
    segment.far.onframe = undefined;
    same(typeof segment.near.send(frame(60, 1)), "boolean", "type of send's result");
    await segment.settle();
    const arrived = segment.listen(segment.far);
    segment.near.send(frame(60, 2));
    await segment.settle();
    sameBytes(arrived[arrived.length - 1] ?? new Uint8Array(), frame(60, 2), "the frame after");
  });

  add("a receiver that drops does not disturb what follows", async (segment) => {
    let offered = 0;
    segment.far.onframe = () => {
      offered++;
      return false;
    };
    same(typeof segment.near.send(frame(60, 1)), "boolean", "type of send's result");
    await segment.settle();
    ok(offered > 0, "the receiver was not offered the frame");
    const arrived = segment.listen(segment.far);
    segment.near.send(frame(60, 2));
    await segment.settle();
    sameBytes(arrived[arrived.length - 1] ?? new Uint8Array(), frame(60, 2), "the frame after");
  });

  add("a receiver may answer inside its callback", async (segment) => {
    const { near, far } = segment;
    const atNear = segment.listen(near);
    far.onframe = () => far.send(frame(70, 9));
    near.send(frame(60, 1));
    await segment.settle();
    sameBytes(atNear[0] ?? new Uint8Array(), frame(70, 9), "the answer");
  });

  return cases;
}

class Segment {
  readonly near: NetPort;
  readonly far: NetPort;
  readonly #subject: NetPortSubject;

  constructor(subject: NetPortSubject) {
    this.near = subject.near;
    this.far = subject.far;
    this.#subject = subject;
  }

  /** Copies of the frames that `port` receives from now on. */
  listen(port: NetPort): Uint8Array[] {
    const frames: Uint8Array[] = [];
    port.onframe = (bytes) => {
      frames.push(bytes.slice());
      return true;
    };
    return frames;
  }

  async settle(): Promise<void> {
    await this.#subject.settle?.();
  }
}

/** A frame of `length` bytes to the broadcast address; `seed` tells it from others. */
function frame(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index < 6 ? 0xff : (index * 7 + seed * 13) & 0xff));
}
