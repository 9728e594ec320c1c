import { CommandError } from "../command/failure.ts";
import type { Progress } from "../command/progress.ts";
import { buildDebianGuest, type DebianGuest, type DebianGuestOptions } from "../guest/debian.ts";
import type { GuestProgress } from "../guest/progress.ts";

/** Builds the Debian guest, or finds it in the cache, and shows how that goes. */
export async function provideGuest(
  options: Pick<DebianGuestOptions, "cacheDir" | "signal" | "force" | "verify">,
  progress: Progress,
): Promise<DebianGuest> {
  let isBuilding = false;
  const onProgress = (event: GuestProgress): void => {
    if (event.step !== "check" && event.step !== "wait" && !isBuilding) {
      isBuilding = true;
      progress.say("building the Debian guest: a minute or two, once ...");
    }
    const { done, total } = event;
    const fraction = done === undefined || total === undefined || total === 0 ? undefined : done / total;
    progress.update(event.step, messageOf(event), fraction);
  };
  try {
    const guest = await buildDebianGuest({ ...options, onProgress });
    if (!guest.cached) progress.say(`the Debian guest is ready (Linux ${guest.version})`);
    return guest;
  } catch (error) {
    options.signal?.throwIfAborted();
    const { code, message } = error as { code?: string; message: string };
    if (code?.startsWith("ERR_GUEST_") !== true) throw error;
    throw new CommandError(`the Debian guest cannot be built: ${message}`, { cause: error });
  } finally {
    progress.clear();
  }
}

function messageOf({ message, done, total, unit }: GuestProgress): string {
  if (unit !== "bytes" || done === undefined || total === undefined) return message;
  const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  return `${message} (${mebibytes(done)} of ${mebibytes(total)} MiB)`;
}
