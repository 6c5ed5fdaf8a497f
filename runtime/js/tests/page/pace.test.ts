/** What keeps the page answering: the newest request alone, and work in parts. */

import { expect, test, vi } from "vitest";

import { Latest } from "../../page/latest.ts";
import { paced } from "../../page/pace.ts";

test("requests that come while one is answered are passed over, but for the newest", async () => {
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

test("a request that fails is told of, and the next one is answered", async () => {
  const told: unknown[] = [];
  const latest = new Latest<string>(
    (request) => (request === "bad" ? Promise.reject(new Error(request)) : Promise.resolve(void told.push(request))),
    (error) => told.push((error as Error).message),
  );
  latest.ask("bad");
  latest.ask("good");
  await expect.poll(() => told).toEqual(["bad", "good"]);
});

/** The parts of 100 pictures where each takes so many milliseconds. */
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

test("parts grow up to 32 pictures while they are fast", async () => {
  expect(await parts(0.5)).toEqual([1, 2, 4, 8, 16, 32, 32, 5]);
});

test("parts stay within 30 milliseconds, or one picture", async () => {
  expect(Math.max(...(await parts(7)))).toBe(4);
  expect(Math.max(...(await parts(500)))).toBe(1);
});
