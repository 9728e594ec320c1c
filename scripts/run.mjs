import { spawn } from "node:child_process";
import { constants } from "node:os";

/**
 * Runs a command to its end on this process's own standard streams, takes over its exit code and returns it.
 * SIGINT and SIGQUIT come from the terminal, which delivers them to the command as well; the others are passed on.
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: "inherit", ...options });
    for (const signal of ["SIGINT", "SIGQUIT"]) process.on(signal, () => {});
    for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
      resolve(process.exitCode);
    });
  });
}
