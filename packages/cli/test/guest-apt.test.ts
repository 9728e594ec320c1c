import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openPrivateApt, type PrivateApt } from "../src/guest/apt-private.ts";
import { findHostTools } from "../src/guest/host-tools.ts";
import type { GuestProgress } from "../src/guest/progress.ts";

let folder: string;
let apt: PrivateApt;
let progress: GuestProgress[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "guest apt "));
  apt = await openPrivateApt({
    directory: folder,
    tools: findHostTools(),
    onProgress: (event) => progress.push(event),
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("an apt of our own, with the archive that the host uses", () => {
  it("chooses, fetches, and fetches again only what is wrong or unfinished", {
    timeout: 240_000,
  }, async () => {
    const before = hostState();
    await apt.update();
    const packages = await apt.resolve(["hostname"]);
    expect(packages.map(({ name }) => name)).toEqual(["gcc-14-base", "hostname", "libc6", "libgcc-s1"]);
    expect(packages.every(({ architecture }) => architecture === "riscv64")).toBe(true);

    await apt.download(packages);
    expect(progress.at(-1)).toMatchObject({ step: "download", unit: "bytes" });
    expect(progress.at(-1)?.done).toBe(progress.at(-1)?.total);
    progress = [];
    await apt.download(packages);
    expect(progress).toEqual([]);

    const [libc, host] = [
      packages.find(({ name }) => name === "libc6")!,
      packages.find(({ name }) => name === "hostname")!,
    ];
    const sound = readFileSync(apt.fileOf(libc));
    // One file with a wrong byte, one cut off where apt keeps what it has begun.
    const damaged = readFileSync(apt.fileOf(host));
    damaged[damaged.length >> 1]! ^= 1;
    writeFileSync(apt.fileOf(host), damaged);
    const partial = join(
      folder,
      "cache/archives/partial",
      apt.fileOf(libc).slice(apt.fileOf(libc).lastIndexOf("/") + 1),
    );
    renameSync(apt.fileOf(libc), partial);
    truncateSync(partial, sound.length >> 1);
    await apt.download(packages);
    expect(Buffer.compare(readFileSync(apt.fileOf(libc)), sound)).toBe(0);
    expect(statSync(apt.fileOf(host)).size).toBe(host.size);
    expect(hostState()).toEqual(before);
  });

  it("reports a package that there isn't", { timeout: 60_000 }, async () => {
    await expect(apt.resolve(["no-such-package-anywhere"])).rejects.toMatchObject({
      code: "ERR_GUEST_TOOL_FAILED",
    });
  });
});

/** What of the host's apt could have been touched. */
function hostState(): unknown {
  return ["/var/lib/apt/lists", "/var/cache/apt/archives", "/etc/apt"].map((path) => [
    readdirSync(path),
    statSync(path).mtimeMs,
  ]);
}
