/** The installed size of an npm package with all its dependencies, for one platform. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Libraries of other platforms, which apps do not ship.
const FOREIGN = /^bin\/napi-v\d+\/(?<platform>[^/]+)\/(?<arch>[^/]+)\//;

/** The size of cvae-runtime in its own checkout, with onnxruntime-node; of its own files, only the published ones count. */
export function installedBytes(url) {
  const root = fileURLToPath(url);
  const { files, dependencies } = read(root);
  const own = ["package.json", ...files].map((name) => bytesOf(join(root, name)));
  const others = closure(root, [...Object.keys(dependencies), "onnxruntime-node"]);
  return [...own, ...[...others].map((folder) => bytesOf(folder))].reduce((a, b) => a + b, 0);
}

function closure(from, names, found = new Set()) {
  for (const name of names) {
    const folder = locate(from, name);
    if (found.has(folder)) continue;
    found.add(folder);
    closure(folder, Object.keys(read(folder).dependencies ?? {}), found);
  }
  return found;
}

/** Finds a package as Node.js does: in the nearest node_modules, going up. */
function locate(from, name) {
  const folder = join(from, "node_modules", name);
  if (existsSync(join(folder, "package.json"))) return folder;
  if (dirname(from) === from) throw new Error(`${name} is not installed: npm install`);
  return locate(dirname(from), name);
}

function read(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

function bytesOf(path, inside = "") {
  if (statSync(path).isFile()) {
    const { platform, arch } = FOREIGN.exec(inside)?.groups ?? process;
    return platform === process.platform && arch === process.arch ? statSync(path).size : 0;
  }
  const names = readdirSync(path).filter((name) => name !== "node_modules");
  return names.reduce((sum, name) => sum + bytesOf(join(path, name), inside ? `${inside}/${name}` : name), 0);
}
