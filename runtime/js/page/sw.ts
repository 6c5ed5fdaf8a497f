/**
 * Keeps what the page has loaded, so that it opens without a network.
 *
 * Files below assets/ have their content's hash in their names and are answered from the cache; everything else, the page
 * and its bundle, from the network while there is one. A new build has another version, and drops what the one before kept.
 */

/** What is used of a service worker's global scope: TypeScript has no library with it beside the DOM's. */
interface Scope {
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(type: "message", listener: (event: Extendable & MessageEvent<{ keep: string[] }>) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetch) => void): void;
}

interface Extendable {
  waitUntil(work: Promise<unknown>): void;
}

interface Fetch {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const VERSION = "cvae-development"; // the build puts a hash of what it wrote here
const worker = globalThis as unknown as Scope;

worker.addEventListener("install", (event) => {
  event.waitUntil(worker.skipWaiting());
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(takeOver());
});

worker.addEventListener("message", (event) => {
  event.waitUntil(keep(event.data.keep, event.ports[0]));
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  event.respondWith(url.pathname.includes("/assets/") ? cacheFirst(request) : networkFirst(request));
});

async function takeOver(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith("cvae-") && name !== VERSION);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** Keeps what was loaded before this worker ran, and tells whether all of it is kept. */
async function keep(urls: readonly string[], port: MessagePort): Promise<void> {
  try {
    const cache = await caches.open(VERSION);
    const kept = await Promise.all(urls.map((url) => cache.match(url)));
    await cache.addAll(urls.filter((_, index) => kept[index] === undefined));
    port.postMessage(true);
  } catch {
    port.postMessage(false); // no room, or no network any more: the page goes on without
  }
}

async function cacheFirst(request: Request): Promise<Response> {
  const cache = await caches.open(VERSION);
  return (await cache.match(request)) ?? (await fetchAndKeep(cache, request));
}

async function networkFirst(request: Request): Promise<Response> {
  const cache = await caches.open(VERSION);
  try {
    return await fetchAndKeep(cache, request);
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept !== undefined) return kept;
    throw error;
  }
}

async function fetchAndKeep(cache: Cache, request: Request): Promise<Response> {
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

export {};
