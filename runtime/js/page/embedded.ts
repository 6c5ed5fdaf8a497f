/** Read the files embedded in a single-file page: elements with bytes, gzipped and base64-encoded. */

export interface Embedded {
  bundle: Map<string, Uint8Array>;
  wasm: Uint8Array | undefined;
}

const FOLDER = "bundle/";
const WASM = "ort.wasm";

/** The embedded files, or undefined if there are none. Elements are emptied after they are read. */
export async function embeddedFiles(): Promise<Embedded | undefined> {
  const holders = [...document.querySelectorAll<HTMLScriptElement>("script[data-file]")];
  if (holders.length === 0) return undefined;
  const files = await Promise.all(
    holders.map(async (holder) => {
      const bytes = await unzip(fromBase64(holder.textContent));
      holder.textContent = "";
      return [holder.dataset.file ?? "", bytes] as const;
    }),
  );
  const bundle = files
    .filter(([name]) => name.startsWith(FOLDER))
    .map(([name, bytes]) => [name.slice(FOLDER.length), bytes] as const);
  return { bundle: new Map(bundle), wasm: new Map(files).get(WASM) };
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text.trim());
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes;
}

async function unzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
