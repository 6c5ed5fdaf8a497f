/** Serve a folder on 127.0.0.1, like any static host. */

import { createReadStream, statSync } from "node:fs";
import { join, normalize } from "node:path";

import { contentType, host, ISOLATION, type Host } from "../http.ts";

export type { Host };

export async function serve(folder: string, isolated = false): Promise<Host> {
  return await host((request, response) => {
    const path = join(folder, normalize(decodeURIComponent(new URL(request.url ?? "", "http://host").pathname)));
    const file = path.endsWith("/") ? `${path}index.html` : path;
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": contentType(file), ...(isolated ? ISOLATION : {}) });
    createReadStream(file).pipe(response);
  });
}
