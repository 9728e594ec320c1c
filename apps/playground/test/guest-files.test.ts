import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { guestFiles } from "../src/node/guest-files.ts";

let folder = "";
let server: ViteDevServer;
let base = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "isomorph-guest-"));
  await writeFile(join(folder, "root.img"), "0123456789");
  await writeFile(join(folder, "empty"), "");
  await writeFile(join(folder, ".secret"), "no");
  await writeFile(join(folder, "manifest.json"), "{}");
  server = await createServer({
    configFile: false,
    root: folder,
    appType: "mpa",
    logLevel: "error",
    plugins: [guestFiles(folder)],
    server: { port: 0, host: "127.0.0.1", ws: false },
  });
  await server.listen();
  base = `${server.resolvedUrls?.local[0]}guests/debian/`;
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const get = async (name: string, range?: string, method = "GET") => {
  const response = await fetch(base + name, { method, headers: range === undefined ? {} : { Range: range } });
  const { status, headers } = response;
  return { status, headers, text: await response.text(), range: headers.get("content-range") };
};

test("files are served whole", async () => {
  const whole = await get("root.img");
  expect(whole).toMatchObject({ status: 200, text: "0123456789" });
  expect(whole.headers.get("content-length")).toBe("10");
  expect(whole.headers.get("accept-ranges")).toBe("bytes");
  expect(whole.headers.get("etag")).toMatch(/^"a-[0-9a-f]+"$/);
  expect(await get("root.img", undefined, "HEAD")).toMatchObject({ status: 200, text: "" });
  expect(await get("empty")).toMatchObject({ status: 200, text: "" });
  expect((await get("manifest.json")).headers.get("content-type")).toBe("application/json");
});

test("RFC 9110, section 14: ranges", async () => {
  expect(await get("root.img", "bytes=2-5")).toMatchObject({
    status: 206,
    text: "2345",
    range: "bytes 2-5/10",
  });
  expect(await get("root.img", "bytes=7-")).toMatchObject({
    status: 206,
    text: "789",
    range: "bytes 7-9/10",
  });
  expect(await get("root.img", "bytes=-4")).toMatchObject({
    status: 206,
    text: "6789",
    range: "bytes 6-9/10",
  });
  expect(await get("root.img", "bytes=-40")).toMatchObject({ status: 206, range: "bytes 0-9/10" });
  expect(await get("root.img", "bytes=8-99")).toMatchObject({
    status: 206,
    text: "89",
    range: "bytes 8-9/10",
  });
  for (const range of ["bytes=10-", "bytes=10-20", "bytes=-0"]) {
    expect(await get("root.img", range), range).toMatchObject({ status: 416, range: "bytes */10" });
  }
  for (const range of ["bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "bytes=a-b"]) {
    expect(await get("root.img", range), range).toMatchObject({ status: 200, text: "0123456789" });
  }
});

test("nothing but plain files of the folder is served", async () => {
  for (const name of ["", "absent", ".secret", "..%2froot.img", "%2e%2e/root.img", "a/b", "root.img%00"]) {
    expect(await get(name), name).toMatchObject({ status: 404 });
  }
  expect(await get("root.img", undefined, "POST")).toMatchObject({ status: 405 });
});
