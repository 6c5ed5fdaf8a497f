/** Register the service worker, which lets the page open offline once all its files are cached. */

import type { FileInfo, Model } from "../src/browser.ts";
import { SINGLE } from "./bench.ts";
import { block } from "./dom.ts";

/** The files of one deployment, as loaded by this visit; the service worker caches them. */
export interface Deployment {
  /** URL of the page. */
  page: string;
  /** URLs in its HTML: scripts and styles, with hashes in their names. */
  names: string[];
  /** The other files by URL, with their SHA-256, or null if their names hold a hash. */
  files: Map<string, string | null>;
}

/** Caches the page with the model at `bundle`. If that fails, the page works as before. */
export async function keepOffline(model: Model, bundle: URL): Promise<void> {
  const possible = !SINGLE && import.meta.env.PROD && location.protocol.startsWith("http") && isSecureContext;
  if (!possible || !("serviceWorker" in navigator)) return;
  const kept = await hasKept(deployment(model, bundle));
  if (kept) block("offline").textContent = "It now works offline, too.";
  document.documentElement.dataset.offline = kept ? "ready" : "none";
}

async function hasKept(wanted: Deployment): Promise<boolean> {
  try {
    await navigator.serviceWorker.register("./sw.js");
  } catch {
    return false; // browsers that store nothing reject the registration
  }
  const { active } = await navigator.serviceWorker.ready;
  const channel = new MessageChannel();
  const kept = new Promise<boolean>((resolve) => {
    channel.port1.onmessage = ({ data }) => {
      resolve(data === true);
    };
  });
  active?.postMessage(wanted, [channel.port2]);
  return await kept;
}

function deployment({ sha256, manifest, graphs }: Model, bundle: URL): Deployment {
  const page = new URL(location.pathname, location.href).href;
  const assets = new URL("./assets/", page).href;
  const named = [...document.querySelectorAll<HTMLScriptElement | HTMLLinkElement>("script[src], link[href]")]
    .map((element) => ("src" in element ? element.src : element.href))
    .filter((url) => url.startsWith(assets));
  const hashes = new Map([["manifest.json", sha256]]);
  for (const { file, sha256: hash } of [...manifest.graphs, manifest.golden]) hashes.set(file, hash);
  // Files that later calls read: all graphs in use, and the golden vectors.
  const later = [...(Object.values(graphs) as FileInfo[]), manifest.golden].map(
    ({ file }) => new URL(file, bundle).href,
  );
  const files = new Map<string, string | null>();
  for (const url of [...performance.getEntriesByType("resource").map(({ name }) => name), ...later]) {
    const hash = url.startsWith(bundle.href) ? hashes.get(url.slice(bundle.href.length)) : undefined;
    if (hash !== undefined || url.startsWith(assets)) files.set(url, hash ?? null);
  }
  return { page, names: named.map((url) => url.slice(assets.length)), files };
}
