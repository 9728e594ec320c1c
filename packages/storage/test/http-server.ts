import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A web server on the loopback that offers one image by ranges. */
export interface ImageServer {
  readonly url: string;
  /** `Range` headers of the requests so far. */
  readonly ranges: string[];
  /** Takes a request's place; the request is served as usual where it returns false. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  image: Uint8Array;
  etag: string;
  close(): Promise<void>;
}

/** Starts a server. It answers as RFC 9110, section 14, asks for one range with both ends. */
export async function serveImage(image: Uint8Array): Promise<ImageServer> {
  const server = createServer((request, response) => {
    const range = request.headers.range ?? "";
    state.ranges.push(range);
    if (state.intercept(request, response)) return;
    const [first, last] = (/^bytes=(\d+)-(\d+)$/.exec(range)?.slice(1) ?? []).map(Number);
    const size = state.image.length;
    if (first === undefined || last === undefined || first >= size) {
      response.writeHead(416, { "Content-Range": `bytes */${size}` }).end();
      return;
    }
    const end = Math.min(last, size - 1);
    response.writeHead(206, { ETag: state.etag, "Content-Range": `bytes ${first}-${end}/${size}` });
    response.end(state.image.subarray(first, end + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const state: ImageServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`,
    ranges: [],
    intercept: () => false,
    image,
    etag: '"1"',
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return state;
}
