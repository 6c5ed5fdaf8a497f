/**
 * Service worker: caches the page so that it opens offline.
 *
 * Each deployment has its own cache, which holds the files that a visit has loaded and checked. A cache is used once it is
 * complete; until then the previous one is used. A visit that starts with a page from the network loads everything from
 * the network, except files with a content hash in their names. A visit that starts with the cached page loads everything
 * from the cache. Errors of the cache, such as a full disk, never block a response.
 */

import type { Deployment } from "./offline.ts";

/** The used part of a service worker's global scope: TypeScript cannot combine its library with the DOM's. */
interface Scope {
  readonly clients: { claim(): Promise<void> };
  readonly registration: { readonly scope: string };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(type: "message", listener: (event: Extendable & MessageEvent<Deployment>) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetch) => void): void;
}

interface Extendable {
  waitUntil(work: Promise<unknown>): void;
}

interface Fetch {
  readonly request: Request;
  readonly clientId: string;
  readonly resultingClientId: string;
  respondWith(response: Promise<Response>): void;
}

const worker = globalThis as unknown as Scope;
const { scope } = worker.registration;
const PREFIX = `cvae ${scope} `; // pages of one origin share all caches, whatever their paths
const WHOLE = `${scope}whole`; // the last entry of a complete cache

/** Clients that started from the cache, or whose deployment is cached. */
const settled = new Set<string>();

worker.addEventListener("install", (event) => {
  event.waitUntil(worker.skipWaiting());
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(worker.clients.claim());
});

worker.addEventListener("message", (event) => {
  const client = event.source as { id: string } | null;
  event.waitUntil(answer(event.data, client?.id ?? "", event.ports[0]));
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(scope)) return;
  event.respondWith(request.mode === "navigate" ? page(event) : file(event));
});

/** Caches a page's deployment, and posts whether that succeeded. */
async function answer(deployment: Deployment, client: string, port: MessagePort): Promise<void> {
  try {
    if (!settled.has(client)) await navigator.locks.request(PREFIX, () => keep(deployment));
    settled.add(client);
    port.postMessage(true);
  } catch {
    port.postMessage(false); // no room, no network, or a newer deployment: the page works without the cache
  }
}

async function page({ request, resultingClientId }: Fetch): Promise<Response> {
  try {
    return await fetch(request, { cache: "no-cache" });
  } catch (error) {
    const response = await kept(request);
    if (response === undefined) throw error;
    settled.add(resultingClientId);
    return response;
  }
}

async function file({ request, clientId }: Fetch): Promise<Response> {
  const lasting = request.url.startsWith(`${scope}assets/`);
  if (lasting || settled.has(clientId)) {
    const response = await kept(request);
    if (response !== undefined) return response;
  }
  try {
    return await fetch(request, lasting ? {} : { cache: "no-cache" });
  } catch (error) {
    const response = await kept(request);
    if (response !== undefined) return response;
    throw error;
  }
}

/** The cached response, or undefined if there is none or caches fail. */
async function kept(request: Request): Promise<Response | undefined> {
  try {
    return await (await whole())?.match(plain(request.url));
  } catch {
    return undefined;
  }
}

/** The URL under which a file is cached: the page itself has several. */
function plain(url: string): string {
  return url.split(/[?#]/)[0].replace(/\/index\.html$/, "/");
}

async function whole(): Promise<Cache | undefined> {
  for (const name of (await names()).reverse()) {
    const cache = await caches.open(name);
    if ((await cache.match(WHOLE)) !== undefined) return cache;
  }
  return undefined;
}

async function names(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(PREFIX));
}

/** Caches a deployment and deletes the previous one. @throws unless all of it is cached. */
async function keep({ page, names: named, files }: Deployment): Promise<void> {
  const response = await fetch(page, { cache: "no-cache" });
  const html = await response.clone().text();
  if (!response.ok || named.some((name) => !html.includes(name))) throw new Error("the page was replaced");
  const before = await whole();
  if (before !== undefined && (await holds(before, page, html, files))) return;
  const name = `${PREFIX}${crypto.randomUUID()}`;
  try {
    const cache = await caches.open(name);
    await cache.put(plain(page), storable(response));
    for (const [url, hash] of files) await cache.put(plain(url), storable(await fetchSame(url, hash)));
    await cache.put(WHOLE, new Response());
  } catch (error) {
    await caches.delete(name);
    throw error;
  }
  await Promise.all((await names()).filter((other) => other !== name).map((other) => caches.delete(other)));
}

/** Whether a cache holds this deployment. */
async function holds(cache: Cache, page: string, html: string, files: Deployment["files"]): Promise<boolean> {
  if ((await (await cache.match(plain(page)))?.text()) !== html) return false;
  for (const [url, hash] of files) if (!(await isSame(await cache.match(plain(url)), hash))) return false;
  return true;
}

/** Fetches a file that the page has loaded. @throws if it was replaced. */
async function fetchSame(url: string, hash: string | null): Promise<Response> {
  for (const cache of ["default", "reload"] as const) {
    const response = await fetch(url, { cache });
    if (await isSame(response.clone(), hash)) return response;
  }
  throw new Error(`${url} was replaced`);
}

async function isSame(response: Response | undefined, hash: string | null): Promise<boolean> {
  if (response?.ok !== true) return false;
  return hash === null || hash === (await sha256(await response.arrayBuffer()));
}

/**
 * Copies a response for the cache without the headers that limit its use: `Vary` would exclude requests with other
 * headers, and `Vary: *` cannot be cached. The copy is also not marked as redirected, which browsers reject for a page.
 */
function storable(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.delete("vary");
  return new Response(response.body, { headers });
}

async function sha256(bytes: ArrayBuffer): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
