import { readFileSync } from "node:fs";

/** The CPU of measured processes: the last of those that this one may run on. */
export const MEASURING_CPU: number = lastAllowedCpu(readFileSync("/proc/self/status", "utf8"));

/** The number of the last CPU in `Cpus_allowed_list` of a `/proc/PID/status` (proc(5)). */
export function lastAllowedCpu(status: string): number {
  const last = /^Cpus_allowed_list:.*?(\d+)$/m.exec(status)?.[1];
  if (last === undefined) throw new Error("/proc/self/status does not say which CPUs may be used");
  return Number(last);
}

/**
 * A command on one CPU with all of its threads, by taskset of util-linux. CPU time is what is measured, and what a thread
 * costs depends on what runs beside it where two CPUs share a core: engines that compile in other threads would pay for
 * that with the guest's time.
 */
export function onOneCpu(argv: readonly string[]): readonly string[] {
  return ["taskset", "--cpu-list", String(MEASURING_CPU), ...argv];
}
