/** Examples as a user has them: copied out of the project, with the packages that they name installed. */

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
 * Copies an example into a new folder beside links to the packages that its package.json names: npm links cvae-runtime in the
 * same way, and the others are here at the same versions, so that nothing is fetched.
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

/** @throws Error if a package is here at another version than asked for. */
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
