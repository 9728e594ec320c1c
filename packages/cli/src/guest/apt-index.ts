import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AptSource } from "./apt-sources.ts";
import { errorCode, type GuestError, guestError } from "./errors.ts";
import { type HostTools, type RunOptions, runTool } from "./host-tools.ts";
import type { OnGuestProgress } from "./progress.ts";

/** Which index {@link updateIndex} fetches, and with what. */
export interface IndexRequest {
  /** The private apt's folder: `etc/guest.sources` in it is written. */
  readonly directory: string;
  readonly tools: HostTools;
  readonly mirror: Pick<AptSource, "uri" | "signedBy">;
  /** Debian's code name. */
  readonly suite: string;
  readonly architecture: string;
  /** How the private apt is run. */
  readonly apt: RunOptions;
  readonly onProgress: OnGuestProgress;
}

const DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Under which roles an archive holds a suite besides its code name, the newest first. */
const ROLES: readonly string[] = ["stable", "oldstable"];

/**
 * Fetches the signed index of a suite. Unchanged files are not fetched again. A mirror in the middle of an
 * update, whose index is not the one that its signed release names, may still hold the suite whole under its role.
 * @throws `ERR_GUEST_ARCHIVE` where it doesn't; `ERR_GUEST_KEYRING`; `ERR_GUEST_TOOL_FAILED` with what apt says.
 */
export async function updateIndex(request: IndexRequest): Promise<void> {
  const { mirror, suite, architecture, onProgress } = request;
  onProgress({ step: "index", message: `reading the index of Debian ${suite} for ${architecture}` });
  try {
    return await fetchVerified(request, suite);
  } catch (error) {
    if (!isOutOfStep(error)) throw error;
    for (const role of ROLES) {
      const message = `${mirror.uri} is being updated: trying Debian ${suite} under the name ${role}`;
      onProgress({ step: "index", message });
      if (await fetchByRole(request, role)) return;
    }
    throw guestError(
      "ERR_GUEST_ARCHIVE",
      `${mirror.uri} is being updated: its index of Debian ${suite} for ${architecture} is not the one that its ` +
        "signed release names. Try again later, or have the host's apt sources name another mirror",
      error,
    );
  }
}

/** Whether there is a whole index by the name of the role, and the release that signs it is the suite's. */
async function fetchByRole(request: IndexRequest, role: string): Promise<boolean> {
  const { apt, tools, suite } = request;
  try {
    await fetchVerified(request, role);
  } catch {
    apt.signal?.throwIfAborted();
    return false;
  }
  const codeNames = await runTool(tools["apt-get"], ["indextargets", "--format", "$(CODENAME)"], apt);
  return codeNames
    .trim()
    .split(/\s+/)
    .every((name) => name === suite);
}

/** Fetches the index by a name of its suite, verified by the first keyring that can. */
async function fetchVerified(request: IndexRequest, name: string): Promise<void> {
  const { mirror, suite } = request;
  let refusal: unknown;
  for (const keyring of [DEBIAN_KEYRING, mirror.signedBy]) {
    if (keyring === undefined || !(await exists(keyring))) continue;
    try {
      return await fetchWith(request, name, keyring);
    } catch (error) {
      if (!isKeyTrouble(error)) throw error;
      refusal = error;
    }
  }
  const newer = await fetchKeyring(request, refusal);
  try {
    await fetchWith(request, name, newer);
  } catch (error) {
    if (!isKeyTrouble(error)) throw error;
    throw guestError("ERR_GUEST_KEYRING", `no keyring here verifies Debian ${suite}`, error);
  }
}

async function fetchWith(request: IndexRequest, name: string, keyring: string): Promise<void> {
  const { directory, tools, mirror, apt } = request;
  await writeFile(join(directory, "etc", "guest.sources"), sourcesFile(mirror.uri, name, keyring));
  await runTool(tools["apt-get"], ["update", "-q", "-o", "APT::Update::Error-Mode=any"], apt);
}

function sourcesFile(uri: string, suite: string, keyring: string): string {
  return `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`;
}

function isKeyTrouble(error: unknown): boolean {
  if (errorCode(error) !== "ERR_GUEST_TOOL_FAILED") return false;
  return /NO_PUBKEY|not signed|EXPKEYSIG|could(n't| not) be verified|Missing key|signature/i.test(
    (error as GuestError).message,
  );
}

/** Whether what the mirror holds differs from what its own signed release says that it holds. */
function isOutOfStep(error: unknown): boolean {
  if (errorCode(error) !== "ERR_GUEST_TOOL_FAILED") return false;
  return /has unexpected size|Hash Sum mismatch/i.test((error as GuestError).message);
}

/**
 * A newer keyring from the package debian-archive-keyring, by the host's own apt and so under the host's own
 * trust: download only, into our folder.
 */
async function fetchKeyring(request: IndexRequest, refusal: unknown): Promise<string> {
  const { tools, suite } = request;
  const { signal } = request.apt;
  const directory = join(request.directory, "keyring");
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  try {
    await runTool(tools["apt-get"], ["download", "-q", "debian-archive-keyring"], { cwd: directory, signal });
    const deb = (await readdir(directory)).find((name) => name.endsWith(".deb"));
    if (deb === undefined) throw new Error("apt-get download left no file");
    await runTool(tools["dpkg-deb"], ["-x", join(directory, deb), directory], { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw guestError(
      "ERR_GUEST_KEYRING",
      `this host has no keyring that verifies Debian ${suite}, and its apt brought no newer one. ` +
        "Install a current debian-archive-keyring",
      refusal ?? error,
    );
  }
  return join(directory, DEBIAN_KEYRING);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
