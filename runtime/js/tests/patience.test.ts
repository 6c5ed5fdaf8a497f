/** Tests do not depend on how busy the machine is. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

const TESTS = fileURLToPath(new URL(".", import.meta.url));

/** A numeric time limit, a fixed wait, or Vitest's waitFor, whose limit of one second no setting changes. */
const IMPATIENT = /\btimeout: *\d|\bsetTimeout\(|\bwaitForTimeout\(|\bvi\.waitFor\(|\btoBeLessThan\(performance\./;

test("no test has its own time limit", () => {
  const files = readdirSync(TESTS, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  expect(files).toContain(join("examples", "readme.test.ts"));
  const found = files
    .filter((name) => name !== "patience.test.ts")
    .flatMap((name) => readFileSync(join(TESTS, name), "utf8").split("\n"))
    .filter((line) => IMPATIENT.test(line));
  expect(found).toEqual([]);
});

test("a poll waits longer than a second", async () => {
  const begin = performance.now();
  await expect.poll(() => performance.now() - begin).toBeGreaterThan(1500);
});
