/** The worker that has the machine: one machine, from `boot` to its end. */
import type { PageMessage, WorkerMessage } from "../protocol.ts";
import { failureOf } from "./failure.ts";
import { Machine } from "./machine.ts";

interface WorkerScope {
  onmessage: ((event: MessageEvent<PageMessage>) => void) | null;
  postMessage(message: WorkerMessage, transfer: Transferable[]): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const post = (message: WorkerMessage, transfer: readonly Transferable[] = []): void =>
  scope.postMessage(message, [...transfer]);
const machine = new Machine(post);
let isBooted = false;

const boot = async (message: PageMessage & { readonly type: "boot" }): Promise<void> => {
  try {
    post({ type: "ended", ending: await machine.run(message) });
  } catch (error) {
    post({ type: "failed", failure: failureOf(error) });
  }
};

scope.onmessage = ({ data }) => {
  if (data.type !== "boot") machine.handle(data);
  else if (!isBooted) {
    isBooted = true;
    void boot(data);
  }
};

scope.addEventListener("unhandledrejection", (event) => {
  post({ type: "failed", failure: failureOf(event.reason) });
});
