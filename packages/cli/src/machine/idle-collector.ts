import { returnMemory } from "../engine.ts";

/** Milliseconds that the process is looked at for. */
const PERIOD = 10_000;
/** It is idle when it uses less than this share of a processor: an idle guest's timers take a part of that. */
const IDLE_SHARE = 0.1;

/**
 * Has the engine return memory once when nothing has happened for ten seconds, and again when there was work since. What
 * a boot has left behind would otherwise stay for as long as the guest is idle: engines collect when they allocate.
 *
 * @param collect - Is called while nobody waits for anything; it may take some tens of milliseconds.
 * @returns ends that.
 */
export function collectWhenIdle(collect: () => void = returnMemory, period: number = PERIOD): () => void {
  let usage = process.cpuUsage();
  let at = performance.now();
  let hasWorked = true;
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(usage);
    const isIdle = (user + system) / 1000 < IDLE_SHARE * (performance.now() - at);
    if (isIdle && hasWorked) collect();
    hasWorked = !isIdle;
    // From here on: what the collection took is no work.
    usage = process.cpuUsage();
    at = performance.now();
  }, period);
  timer.unref();
  return () => clearInterval(timer);
}
