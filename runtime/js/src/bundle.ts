/** Read a bundle: the manifest, then each file that is needed. Files are checked before they are used. */

import { BundleError, found, InputError, IntegrityError, messageOf } from "./errors.ts";
import { MANIFEST_NAME, parseManifest } from "./manifest.ts";
import type { FileInfo, GraphInfo, Manifest } from "./manifest-types.ts";
import { refuseOtherThanPlainGraph } from "./plain-graph.ts";
import { sha256 } from "./sha256.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** Where a bundle's files come from. */
export interface BundleSource {
  /** The name of a file in error messages. */
  describe(file: string): string;
  /**
   * Reads a file, or its first `limit` + 1 bytes.
   *
   * @throws Error if the file cannot be read; the message says why. @throws BundleError with a complete message.
   */
  read(file: string, limit: number): Promise<Bytes>;
  /** Resolves the source to what its name refers to now; the name may refer to another bundle later. */
  pin?(): Promise<BundleSource>;
  /** Whether the name of a pinned source now refers to another bundle. */
  isReplaced?(): Promise<boolean>;
}

/** The files of a bundle by name, for example of a folder dropped on a page, or bytes inside the page. */
export type BundleFiles = ReadonlyMap<string, Uint8Array | Blob>;

/** @throws InputError unless `source` is a string, a URL or a Map of files. */
export function checkSource(source: unknown): asserts source is string | URL | BundleFiles {
  if (typeof source !== "string" && !(source instanceof URL) && !(source instanceof Map)) {
    throw new InputError(`a bundle must be a path, a URL or a Map of files; found ${found(source)}`);
  }
}

const MANIFEST_LIMIT = 2 ** 20; // bytes; a manifest has a few kilobytes

/** A file that the manifest lists is not in the bundle. */
export class AbsentError extends IntegrityError {}

/** Thrown by sources of bundles: there is no such file. */
export class NoFile extends Error {}

/** The bundle was replaced by another one after its manifest was read. */
export class ReplacedError extends BundleError {}

/** A bundle whose manifest was checked. Files are read on demand and checked against the manifest. */
export class Bundle {
  private constructor(
    private readonly source: BundleSource,
    readonly manifest: Manifest,
    /** SHA-256 of the manifest. The manifest holds the hashes of all files, so this hash identifies the bundle. */
    readonly sha256: string,
  ) {}

  /** @throws BundleError if there is no bundle, or its manifest is invalid or has another format version. */
  static async open(given: BundleSource): Promise<Bundle> {
    const source = (await given.pin?.()) ?? given;
    const name = source.describe(MANIFEST_NAME);
    const bytes = await source.read(MANIFEST_NAME, MANIFEST_LIMIT).catch((error: unknown) => {
      if (error instanceof BundleError) throw error;
      throw new BundleError(`${name}: ${reason(error)}; expected a bundle, a folder that cvae-export makes`);
    });
    if (bytes.length > MANIFEST_LIMIT) throw new BundleError(`${name}: expected at most ${MANIFEST_LIMIT} bytes`);
    return new Bundle(source, parseManifest(bytes, name), await sha256(bytes));
  }

  describe(file: string): string {
    return this.source.describe(file);
  }

  /**
   * @throws AbsentError if the file is missing. @throws IntegrityError if it cannot be read, or its size or hash differs from the manifest. @throws ReplacedError
   * instead, if the bundle was replaced by another one.
   */
  async read(info: FileInfo): Promise<Bytes> {
    try {
      return await this.#read(info);
    } catch (error) {
      if (!(await this.#isReplaced())) throw error;
      throw new ReplacedError(
        `${this.describe(info.file)}: the bundle was replaced after it was loaded; load it again`,
      );
    }
  }

  async #isReplaced(): Promise<boolean> {
    try {
      if ((await this.source.isReplaced?.()) === true) return true;
      return (await sha256(await this.source.read(MANIFEST_NAME, MANIFEST_LIMIT))) !== this.sha256;
    } catch {
      return false;
    }
  }

  async #read(info: FileInfo): Promise<Bytes> {
    const name = this.describe(info.file);
    const bytes = await this.source.read(info.file, info.bytes).catch((error: unknown) => {
      if (error instanceof BundleError) throw error;
      const Kind = error instanceof NoFile ? AbsentError : IntegrityError;
      throw new Kind(`${name}: ${reason(error)}; get the bundle again`);
    });
    if (bytes.length !== info.bytes) {
      const size = bytes.length > info.bytes ? "more" : String(bytes.length);
      throw new IntegrityError(`${name}: expected ${info.bytes} bytes, found ${size}; get the bundle again`);
    }
    const hash = await sha256(bytes);
    if (hash !== info.sha256) {
      throw new IntegrityError(
        `${name}: expected SHA-256 ${info.sha256}, found ${hash}; the file was changed or damaged: get the bundle again`,
      );
    }
    return bytes;
  }

  /** The bytes of a graph. @throws IntegrityError see `read`. @throws BundleError if the graph is not self-contained and plain. */
  async readGraph(info: GraphInfo): Promise<Bytes> {
    const bytes = await this.read(info);
    refuseOtherThanPlainGraph(bytes, this.describe(info.file));
    return bytes;
  }
}

/** A bundle of files in memory. They are copied because the caller may change them before they are read. */
export function fromFiles(given: BundleFiles): BundleSource {
  const files = new Map(
    [...given].map(([name, content]) => [name, content instanceof Blob ? content : new Uint8Array(content)]),
  );
  return {
    describe: (file) => file,
    async read(file, limit) {
      const content = files.get(file);
      if (content === undefined) throw new NoFile(`is not among the files: ${[...files.keys()].join(", ") || "none"}`);
      if (content instanceof Uint8Array) return content.slice(0, limit + 1);
      return new Uint8Array(await content.slice(0, limit + 1).arrayBuffer());
    },
  };
}

/** A bundle of files below a URL. */
export function fromUrl(folder: URL): BundleSource {
  const base = new URL(folder);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  const locate = (file: string) => new URL(file, base).href;
  return {
    describe: locate,
    async read(file, limit) {
      const response = await fetch(locate(file));
      if (!response.ok) {
        const Kind = response.status === 404 ? NoFile : Error;
        throw new Kind(`cannot be read: HTTP ${response.status} ${response.statusText}`.trimEnd());
      }
      return await readAtMost(response, limit);
    },
  };
}

/** Reads the body of a response, or its beginning if it is longer than `limit`: a server may send without end. */
async function readAtMost(response: Response, limit: number): Promise<Bytes> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  if (response.body !== null) {
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      size += part.value.length;
      if (size > limit) {
        await reader.cancel();
        break;
      }
    }
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function reason(error: unknown): string {
  const message = messageOf(error);
  return message.startsWith("is ") || message.startsWith("cannot ") ? message : `cannot be read: ${message}`;
}
