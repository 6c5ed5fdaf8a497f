/** Open models and pictures from disk: dropped on the page, or chosen as a folder or as files. */

import type { BundleFiles } from "../src/browser.ts";
import { block, button, element, input, on } from "./dom.ts";
import { attempt } from "./notice.ts";

const MANIFEST = "manifest.json";
const MOST_FILES = 1000; // in a dropped folder; a bundle has about twelve
const DEEPEST = 3;

/** Files by their paths within the dropped or chosen folder. */
export type Found = ReadonlyMap<string, File>;

export function watchDrops(found: (files: Found) => void): void {
  const curtain = block("curtain");
  let depth = 0; // the event for entering a child comes before the one for leaving its parent
  const hide = (): void => {
    depth = 0;
    curtain.hidden = true;
  };
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth++;
    curtain.hidden = false;
  });
  addEventListener("dragleave", () => {
    if (--depth <= 0) hide();
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (event.dataTransfer === null || !hasFiles(event)) return;
    event.preventDefault();
    hide();
    attempt("These files could not be read", dropped(event.dataTransfer).then(found));
  });
}

/** The dialog that opens a folder or files without dragging. */
export function watchChooser(found: (files: Found) => void): void {
  const dialog = element("chooser", HTMLDialogElement);
  on(button("open"), "click", () => {
    dialog.showModal();
  });
  on(button("choose-none"), "click", () => {
    dialog.close();
  });
  for (const [opener, id] of [
    ["choose-folder", "folder"],
    ["choose-files", "files"],
  ]) {
    const field = input(id);
    on(button(opener), "click", () => {
      field.click();
    });
    on(field, "change", () => {
      const files = [...(field.files ?? [])];
      field.value = "";
      dialog.close();
      if (files.length > 0) found(new Map(files.map((file) => [file.webkitRelativePath || file.name, file])));
    });
  }
}

/** The files of the folder with the manifest, by name; undefined if there is no manifest. */
export function asBundle(found: Found): BundleFiles | undefined {
  const manifests = [...found.keys()].filter((path) => path === MANIFEST || path.endsWith(`/${MANIFEST}`));
  if (manifests.length === 0) return undefined;
  const nearest = manifests.reduce((best, path) => (path.length < best.length ? path : best));
  const folder = nearest.slice(0, -MANIFEST.length);
  const inside = [...found].filter(([path]) => path.startsWith(folder));
  return new Map(inside.map(([path, file]) => [path.slice(folder.length), file]));
}

/** The picture, if it is the only file. */
export function asImage(found: Found): File | undefined {
  const files = [...found.values()];
  return files.length === 1 && files[0].type.startsWith("image/") ? files[0] : undefined;
}

function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

async function dropped(transfer: DataTransfer): Promise<Found> {
  const found = new Map<string, File>();
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  if (entries.every((entry) => entry === null)) {
    for (const file of transfer.files) found.set(file.name, file);
  }
  for (const entry of entries) {
    if (entry !== null) await collect(entry, entry.name, 0, found);
  }
  return found;
}

async function collect(entry: FileSystemEntry, path: string, depth: number, found: Map<string, File>): Promise<void> {
  if (found.size >= MOST_FILES) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    found.set(path, file);
  } else if (depth < DEEPEST) {
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    let part: FileSystemEntry[];
    do {
      // Browsers return the entries of a folder in parts of 100; an empty part is the last one.
      part = await new Promise((resolve, reject) => {
        reader.readEntries(resolve, reject);
      });
      for (const inner of part) await collect(inner, `${path}/${inner.name}`, depth + 1, found);
    } while (part.length > 0 && found.size < MOST_FILES);
  }
}
