import { parentPort, workerData } from "node:worker_threads";
import type { HartStart } from "../threads/hart-threads.ts";
import { runHart } from "../threads/run-hart.ts";
import { threadTime } from "./thread-time.ts";

runHart(workerData as HartStart, threadTime(), () => parentPort?.postMessage("ready"));
