/**
 * Runs a machine of one hart in a headless Chromium, with its console on standard input and output, until it ends:
 * `main.ts PROGRAM WORKER PROFILE MEMORY KERNEL INITRD CMDLINE`, with the bundled worker, a folder for the browser's
 * profile, and the size of RAM in bytes.
 */
import { spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { bridge } from "./bridge.ts";

const [program = "", worker = "", profile = "", memory, kernel = "", initrd = "", cmdline = ""] =
  process.argv.slice(2);

/** Nothing but the page: no window, no updates, no slowing down of what nobody looks at. */
const FLAGS = [
  "--headless=new",
  "--log-level=3",
  "--no-sandbox",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-background-timer-throttling",
  "--disable-breakpad",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-extensions",
  "--disable-gpu",
  "--disable-renderer-backgrounding",
  "--disable-sync",
];

const end = (outcome: string | Error): never => {
  if (outcome instanceof Error) process.stderr.write(`isomorph in Chromium: ${outcome.message}\n`);
  process.exit(outcome instanceof Error ? 1 : 0);
};
const server = bridge({
  ...{ worker, kernel, initrd },
  machine: { memory: Number(memory), cmdline },
  input: process.stdin,
  output: process.stdout,
  onEnd: (outcome) => {
    browser?.kill();
    end(outcome);
  },
});
let browser: ReturnType<typeof spawn> | undefined;
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  browser = spawn(program, [...FLAGS, `--user-data-dir=${profile}`, url], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  browser.once("error", end);
  browser.once("close", (code, signal) => end(new Error(`it ended (${signal ?? `exit code ${code}`})`)));
});
