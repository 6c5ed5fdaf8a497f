/** Builds the web page into the Python package: `vite build` as files, `vite build --mode single` as one file. */

import { createHash } from "node:crypto";
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { defineConfig, type Plugin, type ViteDevServer } from "vite";

const PAGE = fileURLToPath(new URL("page/", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../cvae_runtime/", import.meta.url));
const OUT = join(PACKAGE, "page");
const LICENSES = "licenses.md";

/** Content security policy: the page may load only its own files. */
function policy(scripts: string, styles: string, connections: string): string {
  const rules = {
    "default-src": "'none'",
    "script-src": `${scripts} 'wasm-unsafe-eval'`,
    "style-src": styles,
    "img-src": "'self' data: blob:",
    "connect-src": connections,
    "worker-src": connections,
    "base-uri": "'none'",
    "form-action": "'none'",
  };
  return Object.entries(rules)
    .map(([name, value]) => `${name} ${value}`)
    .join("; ");
}

function withPolicy(html: string, rules: string): string {
  const head = '<meta charset="utf-8" />';
  if (!html.includes(head)) throw new Error(`index.html: expected ${head}, after which the policy goes`);
  const whole = html.replace(head, `${head}\n<meta http-equiv="Content-Security-Policy" content="${rules}" />`);
  // Removes the indentation, a sixth of the file. No text depends on the white space between elements.
  return whole.replaceAll(/\n\s+/g, "\n").replaceAll(/>\n</g, "><").replaceAll(" />", ">");
}

/** The page as files, with its policy and gzipped WebAssembly. */
function pageFiles(): Plugin {
  return {
    name: "cvae-page-files",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle = {} }) {
        // Preloads ONNX Runtime, which would otherwise wait for the script that imports it.
        const ort = Object.keys(bundle).find((name) => /ort\.wasm.*\.js$/.test(name));
        if (ort === undefined)
          throw new Error(`expected a chunk of onnxruntime-web; found ${Object.keys(bundle).join()}`);
        const early = `<link rel="modulepreload" href="./${ort}">\n<script type="module"`;
        return withPolicy(html.replace('<script type="module"', early), policy("'self'", "'self'", "'self'"));
      },
    },
    writeBundle() {
      // onnxruntime-web's package contains no licence file.
      const theirs = readFileSync(join(PAGE, "onnxruntime.license"), "utf8");
      appendFileSync(join(OUT, LICENSES), `\n${theirs}`);
      const assets = join(OUT, "assets");
      for (const name of readdirSync(assets).filter((one) => one.endsWith(".wasm"))) {
        writeFileSync(join(assets, `${name}.gz`), gzipSync(readFileSync(join(assets, name)), { level: 9 }));
        rmSync(join(assets, name));
      }
    },
  };
}

/** The page as one file, single.html: script and style are inline, and only their hashes are allowed. */
function oneFile(): Plugin {
  return {
    name: "cvae-one-file",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      const files = Object.values(bundle);
      const html = files.find((file) => file.fileName === "index.html");
      const style = files.find((file) => file.fileName.endsWith(".css"));
      const scripts = files.filter((file) => file.type === "chunk");
      if (html?.type !== "asset" || style?.type !== "asset" || scripts.length !== 1) {
        throw new Error(`expected a page, a style and one script; found ${Object.keys(bundle).join(", ")}`);
      }
      const css = `\n${String(style.source)}`;
      // Vite leaves a placeholder for the preloads of imports; a single script has none.
      const script = scripts[0].code.replaceAll("__VITE_PRELOAD__", "[]");
      const code = `\n${script.replaceAll("</script", "<\\/script").replaceAll("<!--", "\\x3c!--")}`;
      const rules = policy(`'sha256-${sha256(code)}'`, `'sha256-${sha256(css)}'`, "'none'");
      const page = withPolicy(String(html.source), rules)
        .replace(/\s*<script type="module"[^>]*><\/script>/, () => "")
        .replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${css}</style>`)
        .replace("</body>", () => `  <script type="module">${code}</script>\n  </body>`);
      for (const name of Object.keys(bundle)) Reflect.deleteProperty(bundle, name);
      this.emitFile({ type: "asset", fileName: "single.html", source: page });
    },
  };
}

/** Replaces Vite's helper for `import()`, which fetches the styles of imported modules; they have none here. */
function plainImports(): Plugin {
  return {
    name: "cvae-plain-imports",
    apply: "build",
    enforce: "pre",
    load: (id) => (id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : null),
  };
}

/** Serves the packaged model during development. */
function packagedModel(): Plugin {
  return {
    name: "cvae-packaged-model",
    configureServer(server: ViteDevServer) {
      server.middlewares.use("/bundle", (request, response) => {
        const name = (request.url ?? "").replace(/[^\w.]/g, "");
        response.end(readFileSync(join(PACKAGE, "bundles", "mnist", name)));
      });
    },
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

/** The service worker is beside the page and its name never changes, because browsers update it by name. */
const PAGE_AND_WORKER = {
  input: { index: join(PAGE, "index.html"), sw: join(PAGE, "sw.ts") },
  output: {
    entryFileNames: ({ name }: { name: string }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
  },
};

export default defineConfig(({ mode }) => {
  const single = mode === "single";
  return {
    root: PAGE,
    base: "./",
    publicDir: false,
    define: { require: "undefined" }, // onnxruntime-web checks whether it runs in Node.js
    plugins: [plainImports(), ...(single ? [oneFile()] : [pageFiles(), packagedModel()])],
    // The single-file page runs on WebAssembly only, whose bytes are inserted later.
    resolve: { alias: single ? { "onnxruntime-web/webgpu": join(PAGE, "absent.ts") } : {} },
    build: {
      outDir: OUT,
      emptyOutDir: !single,
      target: "es2022",
      cssTarget: ["chrome123", "firefox121", "safari17.5"], // they support color-scheme and light-dark()
      modulePreload: false,
      assetsInlineLimit: 0,
      license: single ? false : { fileName: LICENSES }, // the bundled packages require it
      rolldownOptions: single ? { output: { codeSplitting: false } } : PAGE_AND_WORKER,
    },
  };
});
