/** Messages to the visitor: status texts for screen readers, and alerts at the bottom of the window. */

import { CvaeError } from "../src/browser.ts";
import { block, button, on } from "./dom.ts";

export function say(text: string): void {
  block("status").textContent = text;
}

/** Shows an alert until it is dismissed. */
export function alarm(title: string, text: string): void {
  const heading = document.createElement("strong");
  heading.textContent = title;
  const message = document.createElement("p");
  message.textContent = text;
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.textContent = "Dismiss";
  on(dismiss, "click", calm);
  block("alert").replaceChildren(heading, message, dismiss);
}

export function calm(): void {
  block("alert").replaceChildren();
}

/** Awaits work that nothing else awaits, and shows its errors as alerts. */
export function attempt(title: string, work: Promise<unknown>): void {
  work.catch((error: unknown) => {
    alarm(title, explain(error));
  });
}

export function explain(error: unknown): string {
  if (error instanceof CvaeError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Runs `work` when a button is pressed. Presses while it runs are ignored. */
export function press(id: string, title: string, work: () => Promise<void> | void): void {
  const target = button(id);
  let busy = false;
  on(target, "click", () => {
    if (busy) return;
    busy = true;
    const done = Promise.resolve()
      .then(work)
      .finally(() => {
        busy = false;
      });
    attempt(title, done);
  });
}
