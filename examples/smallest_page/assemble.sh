#!/bin/sh
# Copies the page, the libraries of its import map, and a bundle into a new folder for any static host.
set -eu
fail() { echo "assemble.sh: $2" >&2; exit "$1"; }
[ $# -eq 2 ] || fail 2 'usage: sh assemble.sh BUNDLE FOLDER'
bundle=$1 folder=$2
here=$(dirname "$0")
js=$here/../../runtime/js
modules=$js/node_modules
[ -f "$bundle/manifest.json" ] || fail 5 "$bundle: expected a bundle, a folder with manifest.json; cvae-export makes one"
[ ! -e "$folder" ] || fail 1 "$folder exists already; choose another name"
[ -d "$modules" ] || fail 1 "$modules is missing; run first: cd runtime/js && npm install && npm run build"
[ -f "$js/dist/browser.js" ] || fail 1 "$js/dist is missing; run first: cd runtime/js && npm run build"

mkdir -p "$folder/bundle" "$folder/lib/cvae-runtime" "$folder/lib/hashes" "$folder/lib/onnxruntime-web"
cp "$here/index.html" "$folder"
cp "$bundle"/*.json "$bundle"/*.onnx "$folder/bundle"
cp "$js"/dist/*.js "$folder/lib/cvae-runtime"
cp "$modules"/@noble/hashes/*.js "$folder/lib/hashes"
# Each script loads the .wasm file beside it: two pairs.
for name in ort.wasm.bundle.min.mjs ort-wasm-simd-threaded.wasm \
	ort.webgpu.bundle.min.mjs ort-wasm-simd-threaded.asyncify.wasm; do
	cp "$modules/onnxruntime-web/dist/$name" "$folder/lib/onnxruntime-web"
done
