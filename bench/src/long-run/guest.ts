import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openPrivateApt } from "../../../packages/cli/src/guest/apt-private.ts";
import { sha256Text } from "../../../packages/cli/src/guest/checksum.ts";
import { writeCpio } from "../../../packages/cli/src/guest/cpio.ts";
import { buildDebianGuest } from "../../../packages/cli/src/guest/debian.ts";
import { unpackDeb } from "../../../packages/cli/src/guest/extract.ts";
import { FileTree } from "../../../packages/cli/src/guest/file-tree.ts";
import { defaultToolPath, findHostTools } from "../../../packages/cli/src/guest/host-tools.ts";
import { acquireLock } from "../../../packages/cli/src/guest/lock.ts";
import { isWanted, SUITE } from "../../../packages/cli/src/guest/packages.ts";
import { guestSources } from "../cpu/compile.ts";
import { speedSql } from "./speed-sql.ts";

/** What runs, with what it depends on; raise the number when their use changes. */
const PACKAGES = ["gcc", "libc6-dev", "python3", "libpython3.13-testsuite", "sqlite3"];
const PACKAGES_REVISION = 1;

/** Modules of Python's test suite that compute, and take no time of the host's. */
const PYTHON_TESTS = [
  "base64",
  "binascii",
  "bisect",
  "fractions",
  "generators",
  "heapq",
  "struct",
  "textwrap",
];

/** Programs of the peer table that the guest compiles itself. */
const C_PROGRAMS = ["coremark-like", "dhrystone-like", "double", "fork-exec", "pipe"];

/** Of the packages only what runs: the rest would be read into RAM. */
const NOT_NEEDED = new RegExp(
  "^(usr/bin/(dpkg|tar|rmt|perl|.*-(dwp|gprof.*|gp-.*|gold|lto-dump.*))|usr/sbin/|etc/|var/|usr/share/|" +
    "usr/lib/(dpkg|.*/(gconv|ossl-modules|perl-base)/|.*/(lto1|lto-wrapper|g\\+\\+-mapper-server|libgprofng.*)$|" +
    ".*lib(a|t|l|ub|hwa)san|python3/dist-packages))",
);
const TESTS_NEEDED = new RegExp(
  `^usr/lib/python3.13/test/(__init__.py$|support/|mathdata/|test_(${PYTHON_TESTS.join("|")}).py$|[a-z_]*tests?\\.py$)`,
);

/** The images of a long run. */
export interface LongRunGuest {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
}

/** `rdinit=` of {@link LongRunGuest.initrd}. */
export const INIT = "/long-run/init";

/**
 * Composes the guest: Debian's kernel and initrd from the guest builder, a compiler, Python with its tests and SQLite from
 * Debian's packages, and what they are given to do.
 *
 * @param cacheDir - Where the guest builder keeps its packages and guests.
 * @param scale - How much work.
 */
export async function buildLongRunGuest(
  cacheDir: string,
  scale: number,
  tell: (line: string) => void,
): Promise<LongRunGuest> {
  let last = "";
  const onProgress = ({ message }: { readonly message: string }): void => {
    if (message !== last) tell(message);
    last = message;
  };
  const debian = await buildDebianGuest({ cacheDir, onProgress });
  const archive = await packagesArchive(join(cacheDir, "bench"), onProgress);
  const parts = [await readFile(debian.initrd), await readFile(archive), await workArchive(scale)];
  // The kernel unpacks concatenated archives one after the other.
  return { kernel: await readFile(debian.kernel), initrd: Buffer.concat(parts) };
}

async function packagesArchive(
  cache: string,
  onProgress: (progress: { readonly message: string }) => void,
): Promise<string> {
  const recipe = [SUITE, PACKAGES, PACKAGES_REVISION, NOT_NEEDED.source, TESTS_NEEDED.source];
  const folder = join(cache, sha256Text(JSON.stringify(recipe)).slice(0, 16));
  const archive = join(folder, "packages.cpio");
  if (existsSync(archive)) return archive;

  const tools = findHostTools(defaultToolPath());
  await mkdir(cache, { recursive: true });
  const release = await acquireLock(join(cache, "lock"), {
    onWait: (pid) => onProgress({ message: `process ${pid} is fetching packages; waiting for it` }),
  });
  const work = join(cache, `work-${process.pid}`);
  try {
    const apt = await openPrivateApt({ directory: join(cache, "apt"), tools, onProgress });
    await apt.update();
    const packages = await apt.resolve(PACKAGES);
    await apt.download(packages);
    const finished = join(work, "finished");
    await mkdir(finished, { recursive: true });
    const tree = new FileTree();
    const staging = { directory: work, count: 0 };
    const wanted = (path: string): boolean =>
      isWanted(path) &&
      !NOT_NEEDED.test(path) &&
      (!path.startsWith("usr/lib/python3.13/test/") || path.endsWith("/") || TESTS_NEEDED.test(path));
    for (const entry of packages) {
      onProgress({ message: `unpacking ${entry.name}` });
      await unpackDeb(apt.fileOf(entry), entry.name, tree, staging, { tools, wanted });
    }
    // What base-files does by making /lib a link.
    for (const name of tree.list("usr/lib").filter((name) => name.startsWith("ld-linux-"))) {
      tree.symlink(`lib/${name}`, `/usr/lib/${name}`);
    }
    tree.symlink("lib/riscv64-linux-gnu", "/usr/lib/riscv64-linux-gnu");
    await writeFile(join(finished, "packages.cpio"), writeCpio(tree));
    await rename(finished, folder);
    return archive;
  } finally {
    await rm(work, { recursive: true, force: true });
    await release();
  }
}

async function workArchive(scale: number): Promise<Uint8Array> {
  const tree = new FileTree();
  const init = fileURLToPath(new URL("../../guests/long-run/init.sh", import.meta.url));
  tree.file(INIT, await readFile(init), { mode: 0o755 });
  for (const name of ["row.h", ...C_PROGRAMS.map((program) => `${program}.c`)]) {
    tree.file(`long-run/${name}`, await readFile(join(guestSources, name)));
  }
  tree.file("long-run/python-tests", PYTHON_TESTS.map((name) => `test.test_${name}`).join("\n"));
  tree.file("long-run/speed.sql", speedSql(1500 * scale));
  return writeCpio(tree);
}
