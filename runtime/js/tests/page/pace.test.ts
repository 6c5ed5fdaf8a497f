/** How the page stays responsive: it answers only the newest request, and divides work into parts. */

import { expect, test, vi } from "vitest";

import { Latest } from "../../page/latest.ts";
import { paced } from "../../page/pace.ts";

test("only the newest waiting request is answered", async () => {
  const answered: number[] = [];
  const seenOvertaken: boolean[] = [];
  const latest = new Latest<number>(
    async (request, overtaken) => {
      await Promise.resolve();
      answered.push(request);
      seenOvertaken.push(overtaken());
    },
    (error) => {
      throw error;
    },
  );
  for (const request of [1, 2, 3, 4]) latest.ask(request);
  await expect.poll(() => answered).toEqual([1, 4]);
  expect(seenOvertaken).toEqual([true, false]);
  latest.ask(5);
  await expect.poll(() => answered).toEqual([1, 4, 5]);
});

test("a failed request is reported, and the next one is answered", async () => {
  const told: unknown[] = [];
  const latest = new Latest<string>(
    (request) => (request === "bad" ? Promise.reject(new Error(request)) : Promise.resolve(void told.push(request))),
    (error) => told.push((error as Error).message),
  );
  latest.ask("bad");
  latest.ask("good");
  await expect.poll(() => told).toEqual(["bad", "good"]);
});

test("cancelling skips the waiting request and overtakes the running one, but not the next", async () => {
  const ended: [number, boolean][] = [];
  const latest = new Latest<number>(
    async (request, overtaken) => {
      await Promise.resolve();
      ended.push([request, overtaken()]);
    },
    (error) => {
      throw error;
    },
  );
  latest.ask(1);
  latest.ask(2);
  latest.cancel();
  await expect.poll(() => ended).toEqual([[1, true]]);
  latest.cancel(); // nothing runs
  latest.ask(3);
  latest.cancel();
  latest.ask(4);
  await expect
    .poll(() => ended)
    .toEqual([
      [1, true],
      [3, true],
      [4, false],
    ]);
});

/** The parts of 100 pictures that take `each` milliseconds. */
async function parts(each: number): Promise<number[]> {
  const counts: number[] = [];
  let now = 0;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
  let next = 0;
  for await (const [first, count] of paced(100)) {
    expect(first).toBe(next);
    next += count;
    now += count * each;
    counts.push(count);
  }
  clock.mockRestore();
  expect(next).toBe(100);
  return counts;
}

test("fast parts grow up to 32 pictures", async () => {
  expect(await parts(0.5)).toEqual([1, 2, 4, 8, 16, 32, 32, 5]);
});

test("slow parts stay within 30 milliseconds, or one picture", async () => {
  expect(Math.max(...(await parts(7)))).toBe(4);
  expect(Math.max(...(await parts(500)))).toBe(1);
});
