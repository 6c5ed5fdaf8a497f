#!/bin/sh
# Creates FOLDER/include and FOLDER/lib for CMakeLists.txt, without root. The headers come from Debian's package
# libonnxruntime-dev, the library from the Python package onnxruntime. A newer library works with older headers.
set -eu
[ $# -eq 1 ] || { echo "usage: [PYTHON=python3] sh $0 FOLDER" >&2; exit 2; }
folder=$1
library=$("${PYTHON:-python3}" -c 'if True:
	import importlib.util, pathlib
	found = importlib.util.find_spec("onnxruntime")
	files = list(pathlib.Path(found.origin).parent.glob("capi/libonnxruntime.so.*")) if found else []
	print(*files[:1])')
[ -n "$library" ] || { echo "$0: expected the Python package onnxruntime; pip install onnxruntime" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
set -- -qq -o APT::Sandbox::User="$(id -un)"
if ! apt-cache show libonnxruntime-dev >"$work/show" 2>&1; then
	# Debian 12 has no libonnxruntime-dev. This downloads Debian 13's from the same mirror, with separate package lists, so the
	# system's lists do not change.
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
	[ -n "$mirror" ] || { echo "$0: expected Debian's package lists; apt-get update fetches them" >&2; exit 1; }
	mkdir -p "$work/lists/partial" "$work/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
	set -- "$@" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::lists="$work/lists" -o Dir::Cache="$work"
	apt-get "$@" update
fi
(cd "$work" && apt-get "$@" download libonnxruntime-dev)
dpkg-deb --extract "$work"/libonnxruntime-dev_*.deb "$work/package"

rm -rf "$folder/include" "$folder/lib"
mkdir -p "$folder/lib"
cp -R "$work/package/usr/include/onnxruntime" "$folder/include"
cp "$work/package/usr/share/doc/libonnxruntime-dev/copyright" "$folder/include"
cp "$library" "$folder/lib/libonnxruntime.so.1"
ln -s libonnxruntime.so.1 "$folder/lib/libonnxruntime.so"
