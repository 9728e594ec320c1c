import type { HartStart } from "../threads/hart-threads.ts";
import { runHart } from "../threads/run-hart.ts";
import { threadTime } from "./thread-time.ts";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<HartStart>) => void) | null;
  postMessage(message: unknown): void;
};
scope.onmessage = ({ data }) => runHart(data, threadTime, () => scope.postMessage("ready"));
