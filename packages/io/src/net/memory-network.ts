import type { NetPort } from "@isomorph/interface";
import type { Counters } from "../counters.ts";

/** An Ethernet segment in memory: a hub. A frame that one port sends reaches all others, before `send` returns. */
export interface MemoryNetwork {
  /** Plugs in one more port. */
  port(): NetPort & { close(): void };
  /** `frames`: sent into the segment; `dropped`: too long, or that a receiver dropped. */
  counters(): Counters;
}

/** Deliveries inside deliveries at most, when receivers answer at once; deeper ones are dropped. */
const MAX_DEPTH = 64;

/** Makes a {@link MemoryNetwork}; `mtu` is 1500 by default. */
export function memoryNetwork(options: { readonly mtu?: number } = {}): MemoryNetwork {
  const mtu = options.mtu ?? 1500;
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65535) {
    throw new RangeError(`memoryNetwork: MTU ${mtu} is not from 68 to 65535`);
  }
  const ports = new Set<NetPort>();
  let frames = 0;
  let dropped = 0;
  let depth = 0;
  const deliver = (from: NetPort, frame: Uint8Array): boolean => {
    if (!ports.has(from) || frame.length < 14 || frame.length > mtu + 18 || depth === MAX_DEPTH) {
      dropped++;
      return false;
    }
    frames++;
    depth++;
    for (const port of ports) {
      if (port !== from && port.onframe !== undefined && !port.onframe(frame)) dropped++;
    }
    depth--;
    return true;
  };
  return {
    port() {
      const port = {
        mtu,
        onframe: undefined as NetPort["onframe"],
        send: (frame: Uint8Array): boolean => deliver(port, frame),
        close: (): void => {
          ports.delete(port);
        },
      };
      ports.add(port);
      return port;
    },
    counters: () => ({ frames, dropped }),
  };
}
