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
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
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

  it("takes the suite by its role from a mirror whose index is not the one that its release names", {
    timeout: 120_000,
  }, async () => {
    const lists = join(folder, "lists");
    const named = (end: string): string =>
      join(lists, readdirSync(lists).find((name) => name.endsWith(end)) ?? end);
    const release = readFileSync(named("_InRelease"));
    const index = readFileSync(named("_main_binary-riscv64_Packages"));
    const served = new Map<string, Uint8Array>([
      ["/debian/dists/trixie/InRelease", release],
      ["/debian/dists/trixie/main/binary-riscv64/Packages.xz", index.subarray(0, 1000)],
    ]);
    const server = createServer((request, response) => {
      const body = served.get(request.url ?? "");
      response.writeHead(body === undefined ? 404 : 200).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const directory = mkdtempSync(join(tmpdir(), "guest apt "));
    const messages: string[] = [];
    try {
      const other = await openPrivateApt({
        directory,
        tools: findHostTools(),
        mirror: `http://127.0.0.1:${port}/debian/`,
        onProgress: ({ message }) => messages.push(message),
      });
      await expect(other.update()).rejects.toMatchObject({
        code: "ERR_GUEST_ARCHIVE",
        message: expect.stringMatching(/is being updated: .* of Debian trixie for riscv64 .* another mirror/),
      });

      served.set("/debian/dists/oldstable/InRelease", release);
      served.set("/debian/dists/oldstable/main/binary-riscv64/Packages", index);
      messages.length = 0;
      await other.update();
      expect(messages.map((message) => message.split(" ").at(-1))).toEqual([
        "riscv64",
        "stable",
        "oldstable",
      ]);
      expect(await other.resolve(["hostname"])).toEqual(await apt.resolve(["hostname"]));
    } finally {
      server.close();
      rmSync(directory, { recursive: true, force: true });
    }
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
