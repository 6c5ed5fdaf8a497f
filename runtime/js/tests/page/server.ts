/** The built page on 127.0.0.1, as written by cvae-web: unpacked WebAssembly, with a bundle beside it. */

import { existsSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { contentType, host, type Host } from "../http.ts";

const PACKAGE = fileURLToPath(new URL("../../../cvae_runtime/", import.meta.url));
export const PAGE = join(PACKAGE, "page");
export const BUNDLE = join(PACKAGE, "bundles", "mnist");

export interface Server extends Host {
  /** The bytes sent for files whose names pass the test. */
  sent: (test: (name: string) => boolean) => number;
  /** Deploys a new build of the page with another bundle, and removes the files of the earlier build. */
  deploy: (bundle: string) => void;
  /** Replaces the bundle of the same page. */
  replace: (bundle: string) => void;
  /** Drops requests for files whose names pass the test. */
  cut: (test: (name: string) => boolean) => void;
}

/** Serves the page at two paths, because it must not depend on its path or on its neighbours. */
export async function serve(bundle = BUNDLE, headers: Record<string, string> = {}): Promise<Server> {
  const files = new Map<string, Buffer>();
  const sent = new Map<string, number>();
  let lies = bundle;
  let build = 0;
  let broken: (name: string) => boolean = () => false;
  const replace = (other: string) => {
    files.clear();
    lies = other;
  };
  const { url, close } = await host((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname));
    const name = path.replace(/^\/\w+\/path\//, "").replace(/^$/, "index.html");
    if (broken(name)) {
      request.socket.destroy();
      return;
    }
    const bytes = name === path ? undefined : (files.get(name) ?? read(name, lies, build));
    if (bytes === undefined) {
      response.writeHead(404).end();
      return;
    }
    files.set(name, bytes);
    sent.set(name, bytes.length);
    response.writeHead(200, { "content-type": contentType(name), "content-length": bytes.length, ...headers });
    response.end(bytes);
  });
  return {
    url: `${url}some/path/`,
    sent: (test) => [...sent].filter(([name]) => test(name)).reduce((sum, [, size]) => sum + size, 0),
    deploy: (other) => {
      replace(other);
      build++;
    },
    replace,
    cut: (test) => {
      broken = test;
    },
    close,
  };
}

function read(name: string, bundle: string, build: number): Buffer | undefined {
  if (name.startsWith("bundle/")) return readWhole(join(bundle, name.slice("bundle/".length)));
  if (build === 0) return readWhole(join(PAGE, name));
  // The page's own script has another name in each build.
  const [own, built] = ["assets/index-", `assets/index-${build}-`];
  if (name.startsWith(own) && !name.startsWith(built)) return undefined;
  const bytes = readWhole(join(PAGE, name.replace(built, own)));
  return name === "index.html" ? Buffer.from(String(bytes).replaceAll(own, built)) : bytes;
}

function readWhole(file: string): Buffer | undefined {
  if (existsSync(file)) return readFileSync(file);
  return existsSync(`${file}.gz`) ? gunzipSync(readFileSync(`${file}.gz`)) : undefined;
}
