/** Buttons over the pictures of a grid: one is in the tab order, and arrow keys move between them. */

import { isShortcut, on } from "./dom.ts";
import type { Tiles } from "./picture.ts";

export class GridKeys {
  readonly #holder: HTMLElement;
  readonly #chosen: (index: number) => void;
  #buttons: HTMLButtonElement[] = [];
  #columns = 1;

  constructor(holder: HTMLElement, chosen: (index: number) => void) {
    this.#holder = holder;
    this.#chosen = chosen;
    on(holder, "keydown", (event) => {
      this.#move(event);
    });
  }

  /** Puts a button over each picture. The focus stays where it is if that button still exists. */
  layOut(count: number, columns: number, tiles: Tiles): void {
    this.#columns = columns;
    const { style } = this.#holder;
    style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
    style.gridTemplateRows = `repeat(${Math.ceil(count / columns)}, 1fr)`;
    style.columnGap = `${(100 * tiles.gap) / tiles.width}%`;
    style.rowGap = `${(100 * tiles.gap) / tiles.height}%`;
    for (const button of this.#buttons) button.setAttribute("aria-pressed", "false");
    if (count === this.#buttons.length) return;
    this.#buttons = Array.from({ length: count }, (_, index) => this.#button(index));
    this.#holder.replaceChildren(...this.#buttons);
  }

  #button(index: number): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = index === 0 ? 0 : -1;
    button.setAttribute("aria-label", `Sample ${index}`);
    button.setAttribute("aria-pressed", "false");
    on(button, "click", () => {
      this.mark(index);
      this.#chosen(index);
    });
    return button;
  }

  /** Marks a picture as chosen. */
  mark(index: number): void {
    for (const [place, button] of this.#buttons.entries()) button.setAttribute("aria-pressed", String(place === index));
    this.#reach(index);
  }

  #reach(index: number): void {
    for (const [place, button] of this.#buttons.entries()) button.tabIndex = place === index ? 0 : -1;
  }

  #move(event: KeyboardEvent): void {
    const at = this.#buttons.findIndex((button) => button === document.activeElement);
    const last = this.#buttons.length - 1;
    const steps: Record<string, number> = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - this.#columns,
      ArrowDown: at + this.#columns,
      Home: 0,
      End: last,
    };
    const to = steps[event.key] as number | undefined;
    if (isShortcut(event) || at < 0 || to === undefined || to < 0 || to > last) return;
    event.preventDefault();
    this.#reach(to);
    this.#buttons[to].focus();
  }
}
