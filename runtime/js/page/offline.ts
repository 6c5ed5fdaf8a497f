/** The service worker that lets the page open without a network, once all that it needs has come over one. */

import { SINGLE } from "./bench.ts";
import { block } from "./dom.ts";

/** Has what was loaded so far kept, and `more`. Where that cannot be, the page is as good as it was. */
export async function keepOffline(more: readonly string[]): Promise<void> {
  const possible = !SINGLE && import.meta.env.PROD && location.protocol.startsWith("http") && isSecureContext;
  if (!possible || !("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("./sw.js");
  const { active } = await navigator.serviceWorker.ready;
  if (active === null) return;
  const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
  const urls = [new URL("./", location.href).href, location.href, ...loaded, ...more].filter((url) =>
    url.startsWith(location.origin),
  );
  const channel = new MessageChannel();
  const kept = new Promise<boolean>((resolve) => {
    channel.port1.onmessage = ({ data }) => {
      resolve(data === true);
    };
  });
  active.postMessage({ keep: [...new Set(urls)] }, [channel.port2]);
  if (!(await kept)) return;
  block("offline").textContent = "It now works offline, too.";
  document.documentElement.dataset.offline = "ready";
}
