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
  /** Puts a new build of the page there, with another bundle; files of the earlier build are gone. */
  deploy: (bundle: string) => void;
  /** Puts another bundle beside the same page. */
  replace: (bundle: string) => void;
  /** Requests for files with such a name end without an answer. */
  cut: (test: (name: string) => boolean) => void;
}

/** Serves the page below two paths, for a page must not mind where it lies, or what lies beside it. */
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
  // The page's own script has another name in every build.
  const [own, built] = ["assets/index-", `assets/index-${build}-`];
  if (name.startsWith(own) && !name.startsWith(built)) return undefined;
  const bytes = readWhole(join(PAGE, name.replace(built, own)));
  return name === "index.html" ? Buffer.from(String(bytes).replaceAll(own, built)) : bytes;
}

function readWhole(file: string): Buffer | undefined {
  if (existsSync(file)) return readFileSync(file);
  return existsSync(`${file}.gz`) ? gunzipSync(readFileSync(`${file}.gz`)) : undefined;
}
