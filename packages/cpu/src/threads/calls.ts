import type { MmioBus, MmioSize } from "@isomorph/interface";
import type { HartChannel } from "./channel.ts";
import { Activity, Call, CallKind, CallState, Control, Mailbox } from "./layout.ts";

/** Numbers of a call, which are no words. */
interface CallFields {
  readonly address: Float64Array;
  readonly value: BigUint64Array;
}

function fieldsOf(memory: WebAssembly.Memory, state: number): CallFields {
  return {
    address: new Float64Array(memory.buffer, state + Call.ADDRESS, 1),
    value: new BigUint64Array(memory.buffer, state + Call.VALUE, 1),
  };
}

/** A hart's end of its calls to the thread that has the devices. A call returns when it has been served. */
export class CallClient {
  readonly #channel: HartChannel;
  readonly #fields: CallFields;

  constructor(memory: WebAssembly.Memory, state: number, channel: HartChannel) {
    this.#channel = channel;
    this.#fields = fieldsOf(memory, state);
  }

  /** Returns the low bits read. Whoever calls looks at the hart's mail before guest code goes on. */
  read(kind: CallKind, address: number, size: number): bigint {
    this.#fields.address[0] = address;
    this.#call(kind, size);
    return this.#fields.value[0] as bigint;
  }

  write(kind: CallKind, address: number, size: number, value: bigint): void {
    this.#fields.address[0] = address;
    this.#fields.value[0] = value;
    this.#call(kind, size);
  }

  #call(kind: CallKind, size: number): void {
    const channel = this.#channel;
    channel.write(Call.KIND, kind);
    channel.write(Call.SIZE, size);
    const before = channel.read(Mailbox.ACTIVITY);
    channel.stand(Activity.CALLING);
    channel.write(Call.STATE, CallState.ASKED);
    ringDoorbell(channel.words);
    for (;;) {
      const seen = channel.read(Mailbox.WAKE);
      if (channel.read(Call.STATE) === CallState.ANSWERED) break;
      channel.sleep(seen, Number.POSITIVE_INFINITY);
    }
    channel.write(Call.STATE, CallState.IDLE);
    channel.write(Mailbox.ACTIVITY, before);
  }
}

/** Tells the thread with the devices that there is something to do. */
export function ringDoorbell(words: Int32Array): void {
  const doorbell = Control.DOORBELL >>> 2;
  Atomics.add(words, doorbell, 1);
  Atomics.notify(words, doorbell);
}

/** What is called besides devices, on behalf of a hart that stands still meanwhile. */
export interface CallRoutines {
  firmwareCall(hart: number): void;
  trapLoop(hart: number): void;
}

/** The devices' end of the calls of all harts. */
export class CallServer {
  readonly #channels: readonly HartChannel[];
  readonly #fields: readonly CallFields[];
  readonly #bus: MmioBus;

  constructor(
    memory: WebAssembly.Memory,
    states: readonly number[],
    channels: readonly HartChannel[],
    bus: MmioBus,
  ) {
    this.#channels = channels;
    this.#fields = states.map((state) => fieldsOf(memory, state));
    this.#bus = bus;
  }

  /** Serves the call of a hart if there is one; whether there was. */
  serve(hart: number, routines: CallRoutines): boolean {
    const channel = this.#channels[hart] as HartChannel;
    if (channel.read(Call.STATE) !== CallState.ASKED) return false;
    try {
      this.#perform(hart, channel, routines);
    } finally {
      channel.write(Call.STATE, CallState.ANSWERED);
      channel.wake();
    }
    return true;
  }

  #perform(hart: number, channel: HartChannel, routines: CallRoutines): void {
    const bus = this.#bus;
    const { address, value } = this.#fields[hart] as CallFields;
    const gpa = address[0] as number;
    const kind = channel.read(Call.KIND);
    const size = channel.read(Call.SIZE) as MmioSize | 8;
    if (kind === CallKind.FIRMWARE) {
      routines.firmwareCall(hart);
    } else if (kind === CallKind.TRAP_LOOP) {
      routines.trapLoop(hart);
    } else if (!bus.covers(gpa, size)) {
      channel.write(Mailbox.UNANSWERED, 1);
      value[0] = 0n;
    } else if (kind === CallKind.READ) {
      value[0] = BigInt(bus.read(gpa, size as MmioSize));
    } else if (kind === CallKind.WRITE) {
      bus.write(gpa, size as MmioSize, Number(value[0]));
    } else if (kind === CallKind.READ64) {
      value[0] = bus.read64(gpa);
    } else {
      bus.write64(gpa, value[0] as bigint);
    }
  }
}
