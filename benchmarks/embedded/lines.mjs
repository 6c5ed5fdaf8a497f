/** JSON lines on stdin and stdout; stdout is only for answers. */

import { createInterface } from "node:readline";

export function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Answers requests until stdin ends. */
export async function serve(answer) {
  for await (const line of createInterface({ input: process.stdin })) say(await answer(JSON.parse(line)));
}
