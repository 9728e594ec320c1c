import { Worker } from "node:worker_threads";
import type { HartThreads } from "../threads/hart-threads.ts";
import { threadTime } from "./thread-time.ts";

/** Runs each hart in a worker thread of Node. */
export function nodeThreads(): HartThreads {
  const isSource = import.meta.url.endsWith(".ts");
  const entry = new URL(isSource ? "./hart-worker.ts" : "./hart-worker.js", import.meta.url);
  return {
    now: threadTime(),
    spawn(start, onfailure) {
      const worker = new Worker(entry, {
        workerData: start,
        name: `hart ${start.hart}`,
        // The sources of the workspace go by a condition of their own.
        execArgv: isSource ? ["--conditions=@isomorph/source"] : [],
      });
      let isOver = false;
      const ready = new Promise<void>((resolve, reject) => {
        const fail = (error: unknown): void => {
          reject(error);
          if (!isOver) onfailure(error);
          isOver = true;
        };
        worker.once("message", () => {
          // A machine that nobody runs or closes does not keep the program from its end.
          worker.unref();
          resolve();
        });
        worker.once("error", fail);
        worker.once("exit", (code) => fail(new Error(`it ended with code ${code}`)));
      });
      ready.catch(() => undefined);
      return {
        ready,
        terminate: async () => {
          isOver = true;
          await worker.terminate();
        },
      };
    },
  };
}
