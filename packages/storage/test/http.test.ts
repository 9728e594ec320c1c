import { blockBackendCases } from "@isomorph/interface/compliance";
import { afterEach, describe, expect, test } from "vitest";
import { httpDisk } from "../src/http.ts";
import { overlay } from "../src/overlay.ts";
import { type ImageServer, serveImage } from "./http-server.ts";
import { noise } from "./scratch.ts";

const CHUNK = 65536;
const servers: ImageServer[] = [];

const serve = async (size: number): Promise<ImageServer> => {
  const server = await serveImage(noise(size, 7));
  servers.push(server);
  return server;
};

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

describe("httpDisk keeps the BlockBackend contract", () => {
  describe("read-only", () => {
    const open = async ({ size }: { size: number }) =>
      httpDisk((await serve(size)).url, { chunkSize: CHUNK });
    const cases = blockBackendCases(open, { maxSize: 2 ** 24 }).filter(({ name }) => /read-only/.test(name));
    test("there are such cases", () => expect(cases.length).toBeGreaterThan(0));
    for (const { name, run } of cases) test(name, run);
  });
  describe("under an overlay", () => {
    const open = async ({ size }: { size: number }) =>
      overlay(await httpDisk((await serve(size)).url, { chunkSize: CHUNK, cacheSize: 2 * CHUNK }));
    for (const { name, run } of blockBackendCases(open, { maxSize: 2 ** 24, canBeReadOnly: false }))
      test(name, run);
  });
});

describe("httpDisk", () => {
  test("reads what the server has, at any place and of any length", async () => {
    const server = await serve(10 * CHUNK + 512);
    const disk = await httpDisk(server.url, { chunkSize: CHUNK, cacheSize: 3 * CHUNK });
    expect(disk).toMatchObject({ size: server.image.length, blockSize: 512, readOnly: true });
    const places = [0, 512, CHUNK - 512, 3 * CHUNK, 9 * CHUNK + 512, 10 * CHUNK];
    for (const offset of places) {
      for (const length of [0, 512, CHUNK, 5 * CHUNK]) {
        const target = new Uint8Array(Math.min(length, disk.size - offset));
        await disk.read(offset, target);
        expect(target).toEqual(server.image.subarray(offset, offset + target.length));
      }
    }
    expect(disk.stats().cachedBytes).toBeLessThanOrEqual(3 * CHUNK);
    expect(disk.extents(0, disk.size)).toEqual([{ offset: 0, length: disk.size, kind: "data" }]);
    disk.close();
  });

  test("fetches a chunk once, reads it at once afterwards, and joins neighbours in one request", async () => {
    const server = await serve(16 * CHUNK);
    const disk = await httpDisk(server.url, { chunkSize: CHUNK });
    expect(disk.read(512, new Uint8Array(512))).toBeUndefined();
    await Promise.all([
      disk.read(CHUNK, new Uint8Array(3 * CHUNK)),
      disk.read(2 * CHUNK, new Uint8Array(512)),
    ]);
    expect(disk.read(3 * CHUNK, new Uint8Array(512))).toBeUndefined();
    expect(server.ranges).toEqual([`bytes=0-${CHUNK - 1}`, `bytes=${CHUNK}-${4 * CHUNK - 1}`]);
    expect(disk.stats()).toEqual({ requests: 1, fetchedBytes: 3 * CHUNK, cachedBytes: 4 * CHUNK });
    disk.close();
  });

  test("asks again after a broken answer and an overloaded server", async () => {
    const server = await serve(4 * CHUNK);
    const disk = await httpDisk(server.url, { chunkSize: CHUNK });
    let requests = 0;
    server.intercept = (_, response) => {
      requests++;
      if (requests === 1) response.writeHead(503).end();
      else if (requests === 2) response.destroy();
      else if (requests === 3) {
        response.writeHead(206, {
          ETag: server.etag,
          "Content-Range": `bytes ${CHUNK}-${2 * CHUNK - 1}/${4 * CHUNK}`,
          "Content-Length": CHUNK,
        });
        response.write(server.image.subarray(0, 1000), () => response.destroy());
      }
      return requests <= 3;
    };
    const target = new Uint8Array(CHUNK);
    await disk.read(CHUNK, target);
    expect(target).toEqual(server.image.subarray(CHUNK, 2 * CHUNK));
    expect(requests).toBe(4);
    disk.close();
  });

  test("fails a read with EIO when the server stays away, and serves the next", async () => {
    const server = await serve(4 * CHUNK);
    const disk = await httpDisk(server.url, { chunkSize: CHUNK, retries: 1 });
    server.intercept = (_, response) => response.writeHead(500).end() !== undefined;
    await expect(disk.read(CHUNK, new Uint8Array(512))).rejects.toMatchObject({ code: "EIO" });
    expect(server.ranges).toHaveLength(3);
    server.intercept = () => false;
    const target = new Uint8Array(512);
    await disk.read(CHUNK, target);
    expect(target).toEqual(server.image.subarray(CHUNK, CHUNK + 512));
    disk.close();
  });

  test("fails reads when the image is another one", async () => {
    const server = await serve(4 * CHUNK);
    const disk = await httpDisk(server.url, { chunkSize: CHUNK });
    server.etag = '"2"';
    await expect(disk.read(CHUNK, new Uint8Array(512))).rejects.toMatchObject({ code: "EIO" });
    server.etag = '"1"';
    server.image = noise(8 * CHUNK, 1);
    await expect(disk.read(CHUNK, new Uint8Array(512))).rejects.toMatchObject({ code: "EIO" });
    disk.close();
  });

  test("refuses servers without ranges, lies about ranges, and images that are no disks", async () => {
    const server = await serve(4 * CHUNK);
    server.intercept = (_, response) => response.writeHead(200).end(server.image) !== undefined;
    await expect(httpDisk(server.url)).rejects.toMatchObject({ code: "ERR_DISK_RANGES" });
    for (const range of [
      "bytes 0-99/*",
      "bytes 1-512/1024",
      "bytes 0-511/1024",
      "nonsense",
      "bytes 0-1023/1e9",
    ]) {
      server.intercept = (_, response) =>
        response.writeHead(206, { "Content-Range": range }).end() !== undefined;
      await expect(httpDisk(server.url), range).rejects.toMatchObject({ code: "ERR_DISK_RANGES" });
    }
    server.intercept = (_, response) =>
      response.writeHead(206, { "Content-Range": "bytes 0-511/512" }).end(noise(600, 1)) !== undefined;
    await expect(httpDisk(server.url)).rejects.toMatchObject({ code: "EIO" });
    server.intercept = (_, response) => response.writeHead(404).end() !== undefined;
    await expect(httpDisk(server.url)).rejects.toMatchObject({ code: "EIO" });
    server.intercept = () => false;
    server.image = noise(1000, 1);
    await expect(httpDisk(server.url)).rejects.toMatchObject({ code: "ERR_DISK_SIZE" });
    server.image = new Uint8Array(0);
    await expect(httpDisk(server.url)).rejects.toMatchObject({ code: "EIO" });
  });

  test("ends at its close what is under way", async () => {
    const server = await serve(4 * CHUNK);
    const disk = await httpDisk(server.url, { chunkSize: CHUNK });
    server.intercept = () => true;
    const read = disk.read(CHUNK, new Uint8Array(512));
    disk.close();
    await expect(read).rejects.toMatchObject({ code: "EBADF" });
    expect(() => disk.read(0, new Uint8Array(512))).toThrow(expect.objectContaining({ code: "EBADF" }));
    expect(disk.stats().cachedBytes).toBe(0);
  });

  test("rejects with the reason of an aborted signal, also between attempts", async () => {
    const server = await serve(CHUNK);
    await expect(httpDisk(server.url, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
    server.intercept = (_, response) => response.writeHead(503).end() !== undefined;
    const signal = AbortSignal.timeout(50);
    await expect(httpDisk(server.url, { signal })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("refuses sizes that are not possible", async () => {
    for (const options of [
      { blockSize: 500 },
      { chunkSize: 1000 },
      { chunkSize: 2 ** 15 },
      { blockSize: 2 ** 20 },
      { cacheSize: 1000 },
      { retries: -1 },
    ]) {
      await expect(httpDisk("http://127.0.0.1:1/", options)).rejects.toThrow(RangeError);
    }
  });
});
