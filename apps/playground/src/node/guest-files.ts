import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Plugin, PreviewServer, ViteDevServer } from "vite";

/** Where the page looks for the Debian guest. */
const PREFIX = "/guests/debian/";

/** A file right in the folder, neither hidden nor a path. */
const FILE_NAME = /^[A-Za-z0-9][\w.-]*$/;

/**
 * Serves the files of a guest beside the page, while developing and in preview: whole, or the range that is asked for
 * (RFC 9110, section 14), as any web server does with files. They never enter the build.
 *
 * @param folder - A guest as `isomorph guest build debian --output FOLDER` leaves it.
 */
export function guestFiles(folder: string): Plugin {
  const serve = (server: ViteDevServer | PreviewServer): void => {
    server.middlewares.use((request, response, next) => {
      const path = (request.url ?? "").split("?", 1)[0] ?? "";
      if (!path.startsWith(PREFIX)) return next();
      serveFile(folder, path.slice(PREFIX.length), request, response).catch(next);
    });
  };
  return { name: "isomorph-guest-files", configureServer: serve, configurePreviewServer: serve };
}

async function serveFile(
  folder: string,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const end = (status: number, headers: Record<string, string | number> = {}): void => {
    response.writeHead(status, headers).end();
  };
  if (request.method !== "GET" && request.method !== "HEAD") return end(405, { Allow: "GET, HEAD" });
  if (!FILE_NAME.test(name)) return end(404);
  const file = await open(join(folder, name)).catch(() => undefined);
  if (file === undefined) return end(404);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return end(404);
    const { size } = stats;
    const headers = {
      "Content-Type": name.endsWith(".json") ? "application/json" : "application/octet-stream",
      "Accept-Ranges": "bytes",
      "Cache-Control": "no-cache",
      ETag: `"${size.toString(16)}-${Math.floor(stats.mtimeMs).toString(16)}"`,
    };
    const range = parseRange(request.headers.range, size);
    if (range === "unsatisfiable") return end(416, { ...headers, "Content-Range": `bytes */${size}` });
    const { start, end: last } = range ?? { start: 0, end: size - 1 };
    if (range === undefined) response.writeHead(200, { ...headers, "Content-Length": size });
    else {
      response.writeHead(206, {
        ...headers,
        "Content-Length": last - start + 1,
        "Content-Range": `bytes ${start}-${last}/${size}`,
      });
    }
    if (request.method === "HEAD" || size === 0) response.end();
    else await pipeline(createReadStream("", { fd: file, start, end: last, autoClose: false }), response);
  } catch (error) {
    // A page that has gone away is no failure of the server's.
    if (!response.destroyed) throw error;
  } finally {
    await file.close();
  }
}

/** The one range of a `Range` header; undefined where there is none that a server has to honour. */
function parseRange(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  const [, first, last] = match as unknown as [string, string, string];
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < start) return undefined;
  return start >= size ? "unsatisfiable" : { start, end };
}
