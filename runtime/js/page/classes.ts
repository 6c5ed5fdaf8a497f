/** The class picker: one radio button for each class of a model with labels, and one for none. */

import type { Model } from "../src/browser.ts";
import type { Bench } from "./bench.ts";
import { block, on } from "./dom.ts";
import { note } from "./link.ts";
import { say } from "./notice.ts";

const ANY = "any";

export class ClassPicker {
  /** Index of the class; null for none. It belongs to the open model, so read it when the model runs. */
  label: number | null = null;
  readonly #listeners: (() => void)[] = [];
  #linked: string | undefined;

  /**
   * Create it before the sections: their listeners for new models read the class. `linked` is the class of a link, which
   * is picked for the first model.
   */
  constructor(bench: Bench, linked?: string) {
    this.#linked = linked;
    bench.onModel((model) => {
      this.#reset(model);
    });
  }

  /** Calls `listener` when another class of the same model is picked. */
  onPick(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #reset({ labels }: Model): void {
    const linked = labels?.indexOf(this.#linked ?? "") ?? -1;
    this.label = linked < 0 ? null : linked;
    this.#linked = undefined;
    note({ label: linked < 0 ? "" : (labels?.[linked] ?? "") });
    block("classes").hidden = labels === undefined;
    const names = labels === undefined ? [] : [ANY, ...labels];
    block("class-choices").replaceChildren(...names.map((name, index) => this.#choice(name, index - 1)));
  }

  #choice(name: string, label: number): HTMLElement {
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "class", value: String(label), checked: label === (this.label ?? -1) });
    const text = document.createElement("span");
    text.textContent = name;
    const choice = document.createElement("label");
    choice.append(radio, text);
    on(radio, "change", () => {
      this.label = label < 0 ? null : label;
      note({ label: label < 0 ? "" : name });
      say(label < 0 ? "Pictures of any class" : `Pictures of the class ${name}`);
      for (const listener of this.#listeners) listener();
    });
    return choice;
  }
}
