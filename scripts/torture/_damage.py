"""Damaged bundles, JSON texts and bytes; a random generator determines the damage."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cvae_runtime.bundle import MANIFEST_NAME

GOLDEN = "golden.json"
Files = dict[str, bytes]

# Values that are valid in few places of a manifest or of golden vectors.
_VALUES: list[Any] = [
    *(None, True, -1, 0, 1.5, 1e308, 10**400, "", "../decoder.onnx", "/etc/passwd", "a\0b", "\ud800"),
    *([], {}, [[]] * 9),
]
_TEXTS = [
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"[" * 100_000, b'{"a":' * 20_000),
    *(b'"\\ud800"', b"\xff\xfe", b"\0"),
]
_HUGE = 4 << 30

# Changes to a graph's file that protobuf parsers accept; each must be rejected.
GRAPHS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: b"\x08\x08\x0a\x04ORTM" + data,  # the mark of ONNX Runtime's own format
    lambda data: data + data,  # parsers merge the two
    lambda data: data + b"\x3a\x07\x0a\x05\x22\x03Abs",  # a second graph with one node
    lambda data: data + b"\x9a\x06\x04more",  # a field that is not in onnx.proto
    lambda data: data + b"\x0a\x01a",  # a field with another type
    lambda data: data + b"\x42\x0f\x0a\x0dcom.microsoft",  # another domain
    lambda data: data + b"\xca\x01\x00",  # a function
    lambda data: data + b"\xa2\x01\x00",  # training information
    lambda data: data.replace(b"\x22\x04Relu", b"\x3a\x04mine", 1),  # an operator of another domain
)


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, change, cut, double, insert or remove some bytes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at, length = rng.randrange(len(changed) + 1), rng.choice((1, 1, 4, 30))
        match rng.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                changed[at : at + length] = b""
            case 3:
                changed[at:at] = rng.randbytes(length)
            case 4:
                changed[at:at] = changed[at : at + length]
            case _:
                changed[at : at + length] = rng.choice((b"\xff", b"\0", b"\x80")) * length
    return bytes(changed[: rng.randrange(len(changed) + 1)]) if rng.random() < 0.1 else bytes(changed)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in [(value, key), *_places(value[key])]]


def damaged_json(text: bytes, rng: random.Random) -> bytes:
    """Change, remove, swap or repeat values of a JSON text, or insert invalid JSON."""
    value = json.loads(text)
    for _ in range(rng.choice((1, 1, 3))):
        if not value:  # everything was removed
            break
        container, key = rng.choice(_places(value))
        other, name = rng.choice(_places(value))
        match rng.randrange(6):
            case 0:
                container[key] = rng.choice(_VALUES)
            case 1:
                del container[key]
            case 2:
                container[key] = json.loads(json.dumps(other[name]))
            case 3 if isinstance(container[key], int):
                container[key] = rng.choice(
                    (_HUGE, container[key] + 1, -container[key], float(container[key] % 2**63), 2**63)
                )
            case 4:
                value[next(iter(value))] = rng.choice((0, 2, 1.0, "1", 10**30))
            case _:
                container[key] = [container[key]]
    result = json.dumps(value).encode()
    match rng.randrange(6):
        case 0:  # replace a value by invalid or excessive JSON
            at = result.rfind(b": ", 0, rng.randrange(len(result)) + 9) + 2
            return result[:at] + rng.choice(_TEXTS) + result[at + 1 :]
        case 1:  # repeat the keys
            return result[:-1] + b", " + json.dumps(value).encode()[1:]
    return result


def rehashed(files: Files) -> Files:
    """Update the sizes and hashes in the manifest, as far as it still has these fields."""
    try:
        manifest = json.loads(files[MANIFEST_NAME])
        for info in [*manifest["graphs"], manifest["golden"]]:
            data = files[info["file"]]
            info.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return files
    return {**files, MANIFEST_NAME: json.dumps(manifest).encode()}


def write_damaged(files: Files, folder: Path, rng: random.Random) -> None:
    """Write a bundle with one kind of damage to an empty folder."""
    name = rng.choice(sorted(files))
    graph = rng.choice([name for name in sorted(files) if name.endswith(".onnx")])
    replace: Callable[[Path], None] | None = None
    match rng.randrange(10):
        case 0:
            files = {**files, name: damaged_bytes(files[name], rng)}
        case 1 | 2:
            files = {**files, MANIFEST_NAME: damaged_json(files[MANIFEST_NAME], rng)}
        case 3:
            files = rehashed({**files, MANIFEST_NAME: damaged_json(files[MANIFEST_NAME], rng)})
        case 4 if rng.random() < 0.7:
            files = rehashed({**files, GOLDEN: damaged_json(files[GOLDEN], rng)})
        case 4:
            files = rehashed({**files, graph: files[rng.choice(sorted(files))]})
        case 5:
            replace = rng.choice(
                (
                    Path.unlink,
                    lambda path: (
                        path.unlink(),
                        path.symlink_to(rng.choice(("/dev/zero", "/etc/passwd", path.name, "none"))),
                    )[1],
                    lambda path: (path.unlink(), os.mkfifo(path))[1],
                    lambda path: (path.unlink(), path.mkdir())[1],
                    lambda path: os.truncate(path, rng.choice((0, 1, _HUGE))),  # a sparse file needs no space
                )
            )
        case 6:
            files = rehashed({**files, graph: rng.choice(GRAPHS)(files[graph])})
        case _:
            files = rehashed({**files, graph: damaged_bytes(files[graph], rng)})
    for file, data in files.items():
        (folder / file).write_bytes(data)
    if replace is not None:
        replace(folder / name)


def clear(folder: Path) -> None:
    """Create a folder, or empty it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
