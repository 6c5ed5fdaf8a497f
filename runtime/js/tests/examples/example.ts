/** Install examples as users do: copied out of the project, with the packages that they require. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { projectPath } from "../golden.ts";

interface Package {
  version: string;
  dependencies?: Record<string, string>;
}

const INSTALLED = projectPath("runtime/js/node_modules");

/**
 * Copies an example into a new folder, beside links to the packages in its package.json. npm also links cvae-runtime. The
 * other packages are installed here in the same versions, so nothing is fetched.
 */
export function install(name: string): string {
  const folder = temporaryFolder();
  cpSync(projectPath(`examples/${name}`), folder, {
    recursive: true,
    filter: (source) => !source.endsWith("node_modules"),
  });
  linkPackages(folder, readPackage(folder).dependencies ?? {});
  return folder;
}

/** @throws Error if a package is installed here in another version. */
export function linkPackages(folder: string, wanted: Record<string, string>): void {
  for (const [name, version] of Object.entries(wanted)) {
    const target = name === "cvae-runtime" ? projectPath("runtime/js") : join(INSTALLED, name);
    if (!version.startsWith("file:") && readPackage(target).version !== version) {
      throw new Error(`${name}: expected ${version}, found ${readPackage(target).version}`);
    }
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link);
  }
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "cvae-"));
}

function readPackage(folder: string): Package {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Package;
}
