/** The built page on 127.0.0.1 as cvae-web lays it out: WebAssembly unpacked, a bundle beside it. */

import { existsSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { contentType, host, type Host } from "../http.ts";

const PACKAGE = fileURLToPath(new URL("../../../cvae_runtime/", import.meta.url));
export const PAGE = join(PACKAGE, "page");
export const BUNDLE = join(PACKAGE, "bundles", "mnist");

export interface Server extends Host {
  /** The bytes that were sent of files with a name that passes the test. */
  sent: (test: (name: string) => boolean) => number;
}

/** Serves the page below a path, for a page must not mind where it lies. */
export async function serve(bundle = BUNDLE): Promise<Server> {
  const files = new Map<string, Buffer>();
  const sent = new Map<string, number>();
  const { url, close } = await host((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname));
    const name = path.replace(/^\/some\/path\//, "").replace(/^$/, "index.html");
    const bytes = path.startsWith("/some/path/") ? (files.get(name) ?? read(name, bundle)) : undefined;
    if (bytes === undefined) {
      response.writeHead(404).end();
      return;
    }
    files.set(name, bytes);
    sent.set(name, bytes.length);
    response.writeHead(200, { "content-type": contentType(name), "content-length": bytes.length }).end(bytes);
  });
  return {
    url: `${url}some/path/`,
    sent: (test) => [...sent].filter(([name]) => test(name)).reduce((sum, [, size]) => sum + size, 0),
    close,
  };
}

function read(name: string, bundle: string): Buffer | undefined {
  const file = name.startsWith("bundle/") ? join(bundle, name.slice("bundle/".length)) : join(PAGE, name);
  if (existsSync(file)) return readFileSync(file);
  return existsSync(`${file}.gz`) ? gunzipSync(readFileSync(`${file}.gz`)) : undefined;
}
