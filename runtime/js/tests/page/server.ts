/** The built page on 127.0.0.1 as cvae-web lays it out: WebAssembly unpacked, a bundle beside it. */

import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const PACKAGE = fileURLToPath(new URL("../../../cvae_runtime/", import.meta.url));
export const PAGE = join(PACKAGE, "page");
export const BUNDLE = join(PACKAGE, "bundles", "mnist");

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

export interface Server {
  url: string;
  /** The bytes that were sent of files with a name that passes the test. */
  sent: (test: (name: string) => boolean) => number;
  close: () => Promise<void>;
}

/** Serves the page below a path, for a page must not mind where it lies. */
export async function serve(bundle = BUNDLE): Promise<Server> {
  const files = new Map<string, Buffer>();
  const sent = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname));
    const name = path.replace(/^\/some\/path\//, "").replace(/^$/, "index.html");
    const bytes = path.startsWith("/some/path/") ? (files.get(name) ?? read(name, bundle)) : undefined;
    if (bytes === undefined) {
      response.writeHead(404).end();
      return;
    }
    files.set(name, bytes);
    sent.set(name, bytes.length);
    const type = TYPES[extname(name)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-length": bytes.length }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/some/path/`,
    sent: (test) => [...sent].filter(([name]) => test(name)).reduce((sum, [, size]) => sum + size, 0),
    close: () =>
      new Promise((resolve, reject) => {
        server.closeAllConnections();
        server.close((error) => {
          if (error === undefined) resolve();
          else reject(error);
        });
      }),
  };
}

function read(name: string, bundle: string): Buffer | undefined {
  const file = name.startsWith("bundle/") ? join(bundle, name.slice("bundle/".length)) : join(PAGE, name);
  if (existsSync(file)) return readFileSync(file);
  return existsSync(`${file}.gz`) ? gunzipSync(readFileSync(`${file}.gz`)) : undefined;
}
