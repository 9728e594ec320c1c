import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { updateIndex } from "./apt-index.ts";
import { type AptSource, debianMirrors, parseStanzas, readHostSources } from "./apt-sources.ts";
import { sha256File } from "./checksum.ts";
import { guestError } from "./errors.ts";
import { type HostTools, type RunOptions, runTool } from "./host-tools.ts";
import { ARCHITECTURE, SUITE } from "./packages.ts";
import type { OnGuestProgress } from "./progress.ts";

/** A package as the archive's signed index describes it. */
export interface ArchivePackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Length of the package file in bytes. */
  readonly size: number;
  /** SHA-256 of the package file, lower-case hexadecimal. */
  readonly sha256: string;
}

/** What {@link openPrivateApt} needs. */
export interface PrivateAptOptions {
  /** Folder that holds lists, caches, status and configuration; made if absent. */
  readonly directory: string;
  readonly tools: HostTools;
  /** Base address of a Debian mirror; the host's own apt sources decide when absent. */
  readonly mirror?: string | undefined;
  /** The guest's, by Debian's names, when absent. */
  readonly suite?: string | undefined;
  readonly architecture?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: OnGuestProgress;
}

/** An apt of our own beside the host's: same mirror and proxy, other architecture, nothing of the host's touched. */
export interface PrivateApt {
  /** Fetches the signed index, as {@link updateIndex} does. */
  update(): Promise<void>;
  /** What installing `names` in an empty system takes, in a stable order. */
  resolve(names: readonly string[]): Promise<ArchivePackage[]>;
  /** Fetches what is not there yet (a started file goes on where it stopped) and checks every file. */
  download(packages: readonly ArchivePackage[]): Promise<void>;
  /** Where {@link download} leaves the file of a package. */
  fileOf(archivePackage: ArchivePackage): string;
}

/**
 * Pretends that what the kernel package depends on for its maintainer scripts is there: the initrd is ours,
 * and the scripts never run.
 */
const STATUS = `Package: isomorph-host
Status: install ok installed
Architecture: all
Version: 1
Maintainer: isomorph
Provides: linux-initramfs-tool, initramfs-tools (= 99), linux-base (= 99)
Description: what the builder stands for

`;

/** Prepares the folder and its configuration. Only {@link PrivateApt.update} and `download` use the network. */
export async function openPrivateApt(options: PrivateAptOptions): Promise<PrivateApt> {
  const { directory, tools, suite = SUITE, architecture = ARCHITECTURE, signal, onProgress } = options;
  const archives = join(directory, "cache", "archives");
  const configuration = join(directory, "apt.conf");
  const mirror = chooseMirror(options.mirror);
  for (const folder of ["etc", "lists/partial", "cache/archives/partial", "log"]) {
    await mkdir(join(directory, folder), { recursive: true });
  }
  const inherited = await hostAcquireSettings(tools, signal);
  await writeFile(configuration, privateConfiguration(directory, architecture) + inherited);
  await writeFile(join(directory, "status"), STATUS);

  const base: RunOptions = { env: { APT_CONFIG: configuration, DEBIAN_FRONTEND: "noninteractive" }, signal };
  const fileOf = (entry: ArchivePackage): string =>
    join(archives, `${entry.name}_${entry.version.replaceAll(":", "%3a")}_${entry.architecture}.deb`);

  return {
    fileOf,
    update: () => updateIndex({ directory, tools, mirror, suite, architecture, apt: base, onProgress }),

    async resolve(names): Promise<ArchivePackage[]> {
      onProgress({ step: "resolve", message: "choosing packages" });
      const plan = await runTool(tools["apt-get"], ["install", "-s", "-q", "-y", ...names], base);
      const chosen = [...plan.matchAll(/^Inst (\S+?)(?::\S+)? \((\S+) /gm)].map(
        ([, name, version]) => `${name}=${version}`,
      );
      if (chosen.length === 0) throw guestError("ERR_GUEST_ARCHIVE", "apt chose no packages");
      const index = await runTool(tools["apt-cache"], ["show", "--no-all-versions", ...chosen], base);
      const found = new Map(
        parseStanzas(index).map((fields) => [fields.get("package"), archivePackage(fields, architecture)]),
      );
      return chosen
        .map((choice) => choice.slice(0, choice.indexOf("=")))
        .sort()
        .map((name) => {
          const entry = found.get(name);
          if (entry === undefined)
            throw guestError("ERR_GUEST_ARCHIVE", `the index does not describe ${name}`);
          return entry;
        });
    },

    async download(packages): Promise<void> {
      const total = packages.reduce((sum, { size }) => sum + size, 0);
      const wrong = await wrongFiles(packages, fileOf, signal);
      if (wrong.length === 0) return;
      let present = total - wrong.reduce((sum, { size }) => sum + size, 0);
      const report = (done: number): void =>
        onProgress({
          step: "download",
          message: `fetching ${wrong.length} packages`,
          done,
          total,
          unit: "bytes",
        });
      report(present);
      await runTool(
        tools["apt-get"],
        [
          "install",
          "-d",
          "-q",
          "-y",
          "-o",
          "APT::Status-Fd=3",
          ...packages.map((p) => `${p.name}=${p.version}`),
        ],
        {
          ...base,
          onStatusLine: (line) => {
            const percent = Number(/^dlstatus:[^:]*:([0-9.]+):/.exec(line)?.[1] ?? Number.NaN);
            if (!(percent >= 0 && percent <= 100)) return;
            present = Math.max(present, Math.round((total * percent) / 100));
            report(present);
          },
        },
      );
      const still = await wrongFiles(wrong, fileOf, signal);
      if (still.length > 0) {
        throw guestError(
          "ERR_GUEST_ARCHIVE",
          `fetched, yet not as the index says: ${still.map((p) => p.name).join(", ")}`,
        );
      }
      report(total);
    },
  };
}

function chooseMirror(given: string | undefined): Pick<AptSource, "uri" | "signedBy"> {
  if (given !== undefined) return { uri: given.replace(/\/+$/, "") };
  const mirror = debianMirrors(readHostSources())[0];
  if (mirror !== undefined) return mirror;
  throw guestError(
    "ERR_GUEST_NO_MIRROR",
    "the apt sources of this host (/etc/apt/sources.list and sources.list.d) name no mirror of Debian. " +
      "Name one, or bring your own guest: isomorph run --kernel FILE [--initrd FILE] --disk FILE",
  );
}

/** Proxies, certificates, time-outs and the like are the host's own; what is fetched and where it lies is ours. */
async function hostAcquireSettings(tools: HostTools, signal: AbortSignal | undefined): Promise<string> {
  const dump = await runTool(tools["apt-config"], ["dump"], { signal });
  const ours = /^Acquire::(IndexTargets|Languages|Changelogs|GzipIndexes|cdrom)\b/i;
  return dump
    .split("\n")
    .filter((line) => /^Acquire::\S+ ".*";$/.test(line) && !ours.test(line))
    .join("\n")
    .concat("\n");
}

function privateConfiguration(directory: string, architecture: string): string {
  const quoted = (name: string, value: string): string => `${name} "${value}";\n`;
  const nowhere = join(directory, "none");
  return [
    quoted("Dir", "/"),
    quoted("Dir::Etc::main", nowhere),
    quoted("Dir::Etc::parts", nowhere),
    quoted("Dir::Etc::sourcelist", nowhere),
    quoted("Dir::Etc::sourceparts", join(directory, "etc")),
    quoted("Dir::Etc::preferences", nowhere),
    quoted("Dir::Etc::preferencesparts", nowhere),
    quoted("Dir::Etc::trusted", nowhere),
    quoted("Dir::Etc::trustedparts", nowhere),
    quoted("Dir::State", directory),
    quoted("Dir::State::lists", join(directory, "lists")),
    quoted("Dir::State::status", join(directory, "status")),
    quoted("Dir::State::extended_states", join(directory, "extended_states")),
    quoted("Dir::Cache", join(directory, "cache")),
    quoted("Dir::Log", join(directory, "log")),
    quoted("Dir::Ignore-Files-Silently::", "."),
    quoted("APT::Architecture", architecture),
    quoted("APT::Architectures::", architecture),
    quoted("APT::Install-Recommends", "false"),
    quoted("APT::Install-Suggests", "false"),
    quoted("APT::Sandbox::User", "root"),
    quoted("Acquire::Languages", "none"),
    quoted("Acquire::Retries", "3"),
  ].join("");
}

function archivePackage(fields: ReadonlyMap<string, string>, wanted: string): ArchivePackage {
  const name = fields.get("package") ?? "";
  const version = fields.get("version") ?? "";
  const architecture = fields.get("architecture") ?? "";
  const size = Number(fields.get("size"));
  const sha256 = fields.get("sha256") ?? "";
  const wellFormed =
    /^[a-z0-9][a-z0-9+.-]*$/.test(name) &&
    /^[A-Za-z0-9.+~:-]+$/.test(version) &&
    (architecture === wanted || architecture === "all") &&
    Number.isSafeInteger(size) &&
    /^[0-9a-f]{64}$/.test(sha256);
  if (!wellFormed) throw guestError("ERR_GUEST_ARCHIVE", `the index describes ${name || "a package"} badly`);
  return { name, version, architecture, size, sha256 };
}

/** The packages whose file is absent or differs from the index; a file that differs is removed. */
async function wrongFiles(
  packages: readonly ArchivePackage[],
  fileOf: (archivePackage: ArchivePackage) => string,
  signal: AbortSignal | undefined,
): Promise<ArchivePackage[]> {
  const wrong: ArchivePackage[] = [];
  for (const entry of packages) {
    const path = fileOf(entry);
    const length = await stat(path).then(
      ({ size }) => size,
      () => -1,
    );
    if (length === entry.size && (await sha256File(path, { signal })) === entry.sha256) continue;
    await rm(path, { force: true });
    wrong.push(entry);
  }
  return wrong;
}
