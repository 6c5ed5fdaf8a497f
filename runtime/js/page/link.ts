/**
 * The page's state in the fragment of its URL, so that a link shows the same pictures in another browser.
 *
 * The fragment is not sent to the host. It names samples by seed and index; see `sample-link.ts`.
 */

const KEYS = ["seed", "count", "temperature", "label", "explore", "from", "to", "path"] as const;
const DEFAULTS = { seed: "0", count: "64", temperature: "1", label: "", explore: "0.0", from: "0.0", to: "0.1" };
const PAUSE = 300; // milliseconds; browsers limit how often a page may change its URL

type Key = (typeof KEYS)[number];
type State = Partial<Record<Key, string>>;

let state: State = {};
let timer: ReturnType<typeof setTimeout> | undefined;
let open = true;

/** The state that the URL holds; without one, nothing. */
export function readLink(): State {
  if (!isState()) return {};
  const values = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(KEYS.flatMap((key) => (values.has(key) ? [[key, values.get(key) ?? undefined]] : [])));
}

/** Records a part of the state. The URL follows once all parts are known and no other change comes. */
export function note(change: State): void {
  state = { ...state, ...change };
  clearTimeout(timer);
  timer = setTimeout(write, PAUSE);
}

/** Ends links: other browsers cannot open a model from the visitor's disk. */
export function endLinks(): void {
  open = false;
  if (isState()) replace("");
}

/** Follows links that are pasted into the running page, and keeps the state when the visitor jumps to a section. */
export function watchLinks(): void {
  addEventListener("hashchange", () => {
    if (isState()) location.reload();
    else write();
  });
}

function write(): void {
  const { label = "", ...rest } = state;
  const whole = { ...rest, label };
  if (!open || KEYS.some((key) => whole[key] === undefined)) return;
  const isDefault = Object.entries({ ...DEFAULTS, path: "spherical" }).every(
    ([key, value]) => whole[key as Key] === value,
  );
  if (isDefault) {
    if (isState()) replace("");
    return;
  }
  const pairs = KEYS.filter((key) => key !== "label" || label !== "");
  replace(
    `#${pairs
      .map(
        (key) =>
          `${key}=${encodeURIComponent(whole[key] ?? "")
            .replaceAll("%2C", ",")
            .replaceAll("%3A", ":")}`,
      )
      .join("&")}`,
  );
}

function isState(): boolean {
  return location.hash.includes("=");
}

function replace(hash: string): void {
  history.replaceState(null, "", hash === "" ? location.href.split("#")[0] : hash);
}
