import { parentPort } from "node:worker_threads";

/** A worker that computes without a machine around it, each time it is asked: what the host's processors can do. */
parentPort?.on("message", (rounds: number) => {
  let value = 1;
  for (let i = 0; i < rounds; i++) value = (Math.imul(value, 1664525) + 1013904223) | 0;
  parentPort?.postMessage(value);
});
