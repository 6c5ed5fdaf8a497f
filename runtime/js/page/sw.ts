/**
 * Keeps the page, so that it opens without a network.
 *
 * What is kept is one deployment whole: a cache of its own, filled by what a visit has loaded and checked, and in use once
 * it has its last file. Until then the one before is kept. A visit that begins with the network's page gets all from the
 * network, files with their content's hash in their names aside; one that begins with the kept page gets all from what is
 * kept. What caches do wrong, a full disk say, keeps no answer back.
 */

import type { Deployment } from "./offline.ts";

/** What is used of a service worker's global scope: TypeScript has no library with it beside the DOM's. */
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
const PREFIX = `cvae ${scope} `; // an origin's caches are one heap, whatever the path of a page
const WHOLE = `${scope}whole`; // the last entry of a cache that has all

/** Pages that began with what is kept, or have had all that they loaded kept. */
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

/** Has a page's deployment kept, and tells whether it is. */
async function answer(deployment: Deployment, client: string, port: MessagePort): Promise<void> {
  try {
    if (!settled.has(client)) await navigator.locks.request(PREFIX, () => keep(deployment));
    settled.add(client);
    port.postMessage(true);
  } catch {
    port.postMessage(false); // no room, no network any more, or another deployment by now: the page goes on without
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

/** What is kept of this; undefined where nothing is, or caches do not work. */
async function kept(request: Request): Promise<Response | undefined> {
  try {
    return await (await whole())?.match(plain(request.url));
  } catch {
    return undefined;
  }
}

/** The URL by which a file is kept: a page has several. */
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

/** Keeps a deployment in the place of the one before. @throws unless all of it is kept. */
async function keep({ page, names: named, files }: Deployment): Promise<void> {
  const response = await fetch(page, { cache: "no-cache" });
  const html = await response.clone().text();
  if (!response.ok || named.some((name) => !html.includes(name))) throw new Error("another page lies there by now");
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

/** Whether a cache holds the same deployment. */
async function holds(cache: Cache, page: string, html: string, files: Deployment["files"]): Promise<boolean> {
  if ((await (await cache.match(plain(page)))?.text()) !== html) return false;
  for (const [url, hash] of files) if (!(await isSame(await cache.match(plain(url)), hash))) return false;
  return true;
}

/** Fetches a file that the page has loaded. @throws where another one lies there by now. */
async function fetchSame(url: string, hash: string | null): Promise<Response> {
  for (const cache of ["default", "reload"] as const) {
    const response = await fetch(url, { cache });
    if (await isSame(response.clone(), hash)) return response;
  }
  throw new Error(`${url} is not what the page has loaded`);
}

async function isSame(response: Response | undefined, hash: string | null): Promise<boolean> {
  if (response?.ok !== true) return false;
  return hash === null || hash === (await sha256(await response.arrayBuffer()));
}

/**
 * A response as caches take it, for every request: `Vary` would keep those with other headers from it, and `Vary: *` keeps
 * it out of caches. One that was redirected is no answer to who opens a page, and this one was not.
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
