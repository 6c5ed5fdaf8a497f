"""Hostile bundles; each must be rejected, or read correctly, quickly and with little memory."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scripts.torture._damage import GRAPHS, Files, rehashed
from tests.torture.bombs import Command

_COLOUR = Path(__file__).parents[1] / "golden" / "colour"  # a small bundle
_CONTROL = "\x1b]0;title\x07\x1b[2J\x9b31m"
_GRAPH, _MANIFEST, _GOLDEN = "decoder.onnx", "manifest.json", "golden.json"

Change = Callable[[Any], object]


def hostile_bundle_commands(folder: Path) -> Iterator[tuple[str, Command, bool]]:
    """Make hostile bundles; yield the change, a command line that reads the bundle, and whether it must fail."""
    for number, graph in enumerate(GRAPHS):
        bundle = _write(folder / f"graph{number}", {_GRAPH: graph((_COLOUR / _GRAPH).read_bytes())})
        yield f"graph {number}", _generate(bundle), True
    bundle = _write(folder / "gzip", {_GRAPH: gzip.compress((_COLOUR / _GRAPH).read_bytes(), mtime=0)})
    yield "a compressed graph", _generate(bundle), True
    changes: dict[str, tuple[Change, bool]] = {
        "a file of 200 entries": (lambda manifest: manifest["graphs"].extend([manifest["graphs"][1]] * 198), False),
        "a file of a million entries": (lambda manifest: manifest["graphs"].extend([0] * 1_000_000), True),
        "a likelihood of JavaScript": (lambda manifest: manifest["model"].update(likelihood="__proto__"), False),
        "random numbers that clear the screen": (lambda manifest: manifest["model"].update(rng=_CONTROL), True),
        "a recipe of lists in lists": (lambda manifest: manifest["training"].update(config=_nested(900)), True),
        "latents of 5,000 digits": (lambda manifest: manifest["model"].update(latent_dim="DIGITS"), True),
    }
    for number, (what, (change, refused)) in enumerate(changes.items()):
        manifest = json.loads((_COLOUR / _MANIFEST).read_text())
        change(manifest)
        text = json.dumps(manifest).replace('"DIGITS"', "9" * 5000)
        yield what, _generate(_write(folder / f"manifest{number}", {_MANIFEST: text.encode()})), refused
    latents = {
        "seed": "0",
        "first": "0",
        "count": 0,
        "latent_dim": 3,
        "z": {"dtype": "float32", "shape": [0, 3], "data": ""},
    }
    for number, text in enumerate((json.dumps({"cases": [], "rng": [latents]}), "[" * 100_000, "9" * 5000)):
        bundle = _write(folder / f"golden{number}", {_GOLDEN: text.encode()})
        yield f"golden vectors {number}", ("cvae-verify", str(bundle), "--provider", "cpu"), True
    bundle = _write(folder / "shown", {_MANIFEST: _with_texts()})
    yield "texts that clear the screen, inspected", ("cvae-inspect", str(bundle)), False
    linked = folder / "linked"
    linked.mkdir()
    for path in _COLOUR.iterdir():
        (linked / path.name).symlink_to(path)
    yield "a bundle of links", _generate(linked), True
    (folder / "round").symlink_to("round")
    yield "a link to itself", _generate(folder / "round"), True
    (folder / "link").symlink_to(_COLOUR)
    yield "a link to a bundle", _generate(folder / "link"), False
    yield "a file of a bundle", _generate(bundle / _GRAPH), True


def _generate(bundle: Path) -> Command:
    return ("cvae-generate", str(bundle), "-n", "2", "--overwrite", "-o", "samples.png")


def _write(folder: Path, files: Files) -> Path:
    shutil.copytree(_COLOUR, folder)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, data in rehashed({**whole, **files}).items():
        (folder / name).write_bytes(data)
    return folder


def _with_texts() -> bytes:
    manifest = json.loads((_COLOUR / _MANIFEST).read_text())
    manifest["model"].update(rng=_CONTROL)
    manifest["versions"] = {_CONTROL: _CONTROL}
    manifest["graphs"][1].update(passes=[_CONTROL], opset=18)
    return json.dumps(manifest).encode()


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value
