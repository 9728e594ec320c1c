import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Readable, Writable } from "node:stream";
import { type MachineRequest, paths } from "./paths.ts";

/** Files and streams that a {@link bridge} connects a page with. */
export interface BridgeOptions {
  /** The bundled worker. */
  readonly worker: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly machine: MachineRequest;
  readonly input: Readable;
  readonly output: Writable;
  /** Called once, with what the page says about the machine's end; an error where it failed. */
  readonly onEnd: (end: string | Error) => void;
}

/** A cross-origin isolated page may share memory, as the playground's can. */
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cache-Control": "no-store",
};

const PAGE = `<!doctype html><title>isomorph</title><link rel="icon" href="data:,"><script type="module">
const worker = new Worker("${paths.worker}", { type: "module" });
worker.onerror = ({ message }) => fetch("${paths.failed}", { method: "POST", body: message || "no worker" });
</script>`;

/** Serves a page that runs the machine, with its console at the streams. @returns the server, to be listened with. */
export function bridge(options: BridgeOptions): Server {
  const files: Readonly<Record<string, () => Promise<[type: string, body: string | Uint8Array]>>> = {
    "/": async () => ["text/html", PAGE],
    [paths.worker]: async () => ["text/javascript", await readFile(options.worker)],
    [paths.kernel]: async () => ["application/octet-stream", await readFile(options.kernel)],
    [paths.initrd]: async () => ["application/octet-stream", await readFile(options.initrd)],
    [paths.machine]: async () => ["application/json", JSON.stringify(options.machine)],
  };
  const takers: Readonly<Record<string, (body: Buffer) => void>> = {
    [paths.output]: (body) => options.output.write(body),
    [paths.ended]: (body) => options.onEnd(body.toString()),
    [paths.failed]: (body) => options.onEnd(new Error(body.toString())),
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method, url = "" } = request;
    const taker = method === "POST" ? takers[url] : undefined;
    const file = method === "GET" ? files[url] : undefined;
    if (taker !== undefined) {
      taker(Buffer.concat(await request.toArray()));
      response.writeHead(204, HEADERS).end();
    } else if (file !== undefined) {
      const [type, body] = await file();
      response.writeHead(200, { ...HEADERS, "Content-Type": type }).end(body);
    } else if (method === "GET" && url === paths.input) {
      response.writeHead(200, { ...HEADERS, "Content-Type": "application/octet-stream" }).flushHeaders();
      options.input.pipe(response);
    } else {
      response.writeHead(404, HEADERS).end();
    }
  };
  return createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      options.onEnd(error instanceof Error ? error : new Error(String(error)));
      response.destroy();
    });
  });
}
