import type { HartThreads } from "../threads/hart-threads.ts";
import { threadTime } from "./thread-time.ts";

/** Runs each hart in a dedicated worker of the browser. The page must be cross-origin isolated. */
export function webThreads(): HartThreads {
  return {
    now: threadTime,
    spawn(start, onfailure) {
      const worker = new Worker(new URL("./hart-worker.js", import.meta.url), {
        type: "module",
        name: `hart ${start.hart}`,
      });
      const ready = new Promise<void>((resolve, reject) => {
        worker.onmessage = () => resolve();
        worker.onerror = (event) => {
          const error = new Error(`the thread of hart ${start.hart} failed: ${event.message}`);
          reject(error);
          onfailure(error);
        };
      });
      worker.postMessage(start);
      return { ready, terminate: () => worker.terminate() };
    },
  };
}
