import { parentPort } from "node:worker_threads";

/** 64 KiB, as each hart has. */
const data = new Int32Array(1 << 14);

/**
 * A worker that hashes and shuffles as the harts do, without a machine around it, each time it is asked: what the host's
 * processors can do. Work that only waits for itself would not notice who else uses their units and caches.
 */
parentPort?.on("message", (rounds: number) => {
  for (let round = rounds; round > 0; round--) {
    for (let i = 0; i < data.length; i++) {
      let value = Math.imul(data[i] as number, 0x9e3779b9);
      value = ((value ^ (value >>> 15)) + round) | 0;
      const other = value & 0xff;
      data[i] = data[other] as number;
      data[other] = value;
    }
  }
  parentPort?.postMessage(data[0]);
});
