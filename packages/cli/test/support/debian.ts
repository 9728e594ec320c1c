/** The Debian guest, built once into the cache that `npm start` uses too. */

import { buildDebianGuest, type DebianGuest } from "../../src/guest/debian.ts";
import { cacheFolder } from "../../src/start/folders.ts";
import { runToEnd } from "./command.ts";

/** Seconds that a first build may take: some 100 MB come over the network. */
export const BUILD_SECONDS = 600;

/** The built guest. Test files that ask at the same time wait for one build. */
export function debianGuest(): Promise<DebianGuest> {
  return buildDebianGuest({ cacheDir: cacheFolder() });
}

/** Fails unless e2fsck finds nothing to say about an ext4 image. */
export async function checkExt4(path: string): Promise<void> {
  const path_ = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const { code, stdout, stderr } = await runToEnd("e2fsck", ["-f", "-n", path], {
    env: path_ as Record<string, string>,
  });
  if (code !== 0) throw new Error(`e2fsck says ${code}:\n${stdout.toString()}${stderr}`);
}
