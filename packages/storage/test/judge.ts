import { execFileSync } from "node:child_process";

/** Where Debian keeps the file system tools, too. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

/** Runs a tool of the host; its verdict is its exit status. One that is not installed is a failure. */
export function judge(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: "utf8",
    env: { ...process.env, PATH },
    stdio: ["ignore", "pipe", "pipe"],
  });
}
