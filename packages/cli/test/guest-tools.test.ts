import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildDebianGuest } from "../src/guest/debian.ts";
import { findHostTools, runTool } from "../src/guest/host-tools.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guest-tools-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("programs of the host", () => {
  it("that are missing are named, with their packages and the way around", async () => {
    const building = buildDebianGuest({ cacheDir: folder, toolPath: [folder] });
    await expect(building).rejects.toMatchObject({ code: "ERR_GUEST_TOOL_MISSING" });
    await expect(building).rejects.toThrow(
      /apt-get, .*dpkg-deb, mke2fs.*apt-get install apt dpkg e2fsprogs xz-utils.*--kernel FILE.*--disk FILE/,
    );
  });

  it("that are only partly there are told apart", () => {
    const tools = findHostTools();
    for (const [name, path] of Object.entries(tools))
      if (name !== "mke2fs") symlinkSync(path, join(folder, name));
    writeFileSync(join(folder, "mke2fs"), "not executable");
    chmodSync(join(folder, "mke2fs"), 0o644);
    expect(() => findHostTools([folder])).toThrow(/needs mke2fs, which .* apt-get install e2fsprogs\./);
  });

  it("give their output, or an error with what they said", async () => {
    expect(await runTool("/bin/sh", ["-c", "echo out; echo err >&2; test ! -t 0 && cat"])).toBe("out\n");
    await expect(runTool("/bin/sh", ["-c", "echo why >&2; exit 3"])).rejects.toMatchObject({
      code: "ERR_GUEST_TOOL_FAILED",
      message: "/bin/sh failed (exit status 3): why",
    });
    await expect(runTool(join(folder, "absent"), [])).rejects.toMatchObject({
      code: "ERR_GUEST_TOOL_FAILED",
      cause: { code: "ENOENT" },
    });
  });

  it("report on a descriptor of their own", async () => {
    const lines: string[] = [];
    await runTool("/bin/sh", ["-c", "printf 'one\\ntw' >&3; printf 'o\\n' >&3"], {
      onStatusLine: (line) => lines.push(line),
    });
    expect(lines).toEqual(["one", "two"]);
  });

  it("are ended when a callback throws or the signal comes", async () => {
    const thrown = new Error("callback");
    const onStdout = (): never => {
      throw thrown;
    };
    const failing = runTool("/bin/sh", ["-c", "echo x; exec sleep 60"], { onStdout });
    await expect(failing).rejects.toMatchObject({ code: "ERR_GUEST_TOOL_FAILED", cause: thrown });
    const reason = new Error("enough");
    const controller = new AbortController();
    const running = runTool("/bin/sh", ["-c", "exec sleep 60"], { signal: controller.signal });
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
  });
});

it.each([0, -1, 1.5, Number.NaN, 512 * 1024 * 1024, 1024 ** 3 + 1])(
  "a root of %d bytes is refused",
  async (size) => {
    await expect(buildDebianGuest({ cacheDir: folder, size })).rejects.toThrow(RangeError);
  },
);
