"""Hostile files; each must be rejected quickly and with little memory."""

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

_TERABYTE = 1 << 40
_ZEROS = 64 << 30  # bytes that a bomb unpacks to

Command = tuple[str, ...]


class _Opens:
    """Creates a file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mknod, ("pickled-code-ran",)


def bombs(folder: Path) -> Iterator[tuple[str, Command, bool]]:
    """Make hostile files in a folder; yield their names, command lines that read them, and whether these must fail."""
    deflated = _deflated_zeros()
    header = _npy_header((_ZEROS,), "|u1")
    _write_zip(folder / "bomb.npz", {"x_train.npy": (header, deflated), "x_test.npy": (header, deflated)})
    yield "zip bomb", _train(folder / "bomb.npz"), True
    idx = folder / "idx"
    idx.mkdir()
    for name in ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        (idx / name).write_bytes(_gzip(struct.pack(">I3I", 0x803, _ZEROS >> 20, 1 << 10, 1 << 10), deflated))
    yield "gzip bomb", _train(idx), True
    (folder / "pixels.png").write_bytes(_png(60_000, 60_000))
    yield "pixel bomb", ("cvae-generate", "--reconstruct", str(folder / "pixels.png"), "--resize"), True
    (folder / "text.png").write_bytes(_png(28, 28, _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))))
    yield "text bomb", ("cvae-generate", "--reconstruct", str(folder / "text.png")), True
    (folder / "claims.npy").write_bytes(_npy_header((_TERABYTE, 28, 28), "|u1"))
    for option in ("--latents", "--reconstruct"):
        yield f"npy that claims terabytes: {option}", ("cvae-generate", option, str(folder / "claims.npy")), True
    yield "npy that claims terabytes: encode", ("cvae-encode", str(folder / "claims.npy")), True
    (folder / "hole.npy").write_bytes(_npy_header((_TERABYTE >> 8, 64), "<f4"))
    os.truncate(folder / "hole.npy", _TERABYTE)
    yield "npy with a hole of a terabyte", ("cvae-generate", "--latents", str(folder / "hole.npy")), True
    for suffix, arguments in (("npy", ("cvae-generate", "--latents")), ("npz", ("cvae-train",))):
        path = folder / f"pickled.{suffix}"
        np.save(path, np.array([_Opens()]), allow_pickle=True) if suffix == "npy" else np.savez(
            path, x_train=np.array([_Opens()]), x_test=np.array([_Opens()])
        )
        yield f"pickled {suffix}", (*arguments, str(path)), True
    (folder / "raw.npy").write_bytes(pickle.dumps(_Opens()))
    yield "a pickle by the name of an npy", ("cvae-generate", "--latents", str(folder / "raw.npy")), True
    (folder / "script.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n(pickled-code-ran) (w) file closefile showpage\n%%EOF\n"
    )
    yield "PostScript by the name of a PNG", ("cvae-generate", "--reconstruct", str(folder / "script.png")), True
    os.mkfifo(folder / "pipe.npy")
    os.mkfifo(folder / "pipe.png")
    for path in (folder / "pipe.npy", folder / "pipe.png", Path("/dev/zero"), Path("/dev/tty"), Path("/dev/full")):
        for arguments in (
            ("cvae-generate", "--latents"),
            ("cvae-generate", "--reconstruct"),
            ("cvae-encode",),
            ("cvae-train",),
        ):
            yield f"special file: {path.name}: {' '.join(arguments)}", (*arguments, str(path)), True
        yield f"special file: {path.name}: output", ("cvae-generate", "--overwrite", "-o", str(path)), True
        yield f"special file: {path.name}: bundle", ("cvae-generate", str(path), "-o", "none.png"), True
    for name in ("new\nline.npy", "no\udcffutf8.npy", "tab\t.npy", "\x1b[2J.npy"):
        np.save(folder / name, np.zeros((3, 28, 28), np.uint8))
        yield (
            f"a name: {name!r}",
            ("cvae-encode", str(folder / name), "--overwrite", "-o", str(folder / f"{name}.npz")),
            False,
        )
    many = folder / "many"
    many.mkdir()
    pixels = _png(28, 28)
    for number in range(10_000):
        (many / f"{number}\n\udcfe.png").write_bytes(pixels)
    yield (
        "10,000 tiny files",
        ("cvae-encode", str(many), "--top-anomalies", "3", "--overwrite", "-o", str(folder / "many.npz")),
        False,
    )
    (folder / "circle").mkdir()
    (folder / "circle" / "a.png").write_bytes(pixels)
    (folder / "circle" / "round").symlink_to(folder / "circle")
    (folder / "circle" / "zero.png").symlink_to("/dev/zero")
    yield (
        "links in circles, and to a device",
        ("cvae-encode", str(folder / "circle"), "-o", str(folder / "c.npz")),
        True,
    )


def _train(data: Path) -> Command:
    return ("cvae-train", str(data), "--epochs", "1", "--run", str(data.parent / "never"))


def _npy_header(shape: tuple[int, ...], descr: str) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def _deflated_zeros() -> bytes:
    """`_ZEROS` zero bytes as a deflate stream of about 65 MB, repeated from one block."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 26)) + packer.flush(zlib.Z_FULL_FLUSH)  # byte-aligned, so it can be repeated
    return block * (_ZEROS >> 26) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def _gzip(head: bytes, deflated: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + begin + deflated + struct.pack("<II", 0, 0)


def _write_zip(path: Path, members: dict[str, tuple[bytes, bytes]]) -> None:
    """Write a zip file with members that are deflated already, and their unpacked sizes."""
    with path.open("wb") as file:
        central = b""
        for name, (head, deflated) in members.items():
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            data = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH) + deflated
            extra = struct.pack("<HHQQ", 1, 16, len(head) + _ZEROS, len(data))
            fields = struct.pack("<HHHHHIII", 45, 0, zipfile.ZIP_DEFLATED, 0, 33, 0, 0xFFFFFFFF, 0xFFFFFFFF)
            names = struct.pack("<HH", len(name), len(extra))
            central += b"PK\1\2" + struct.pack("<H", 45) + fields + names
            central += struct.pack("<HHHII", 0, 0, 0, 0, file.tell()) + name.encode() + extra
            file.write(b"PK\3\4" + fields + names + name.encode() + extra + data)
        end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(central), file.tell(), 0)
        file.write(central + b"PK\5\6" + end)


def _png(width: int, height: int, before: bytes = b"") -> bytes:
    """A black PNG with one bit per pixel, of any size."""
    packer = zlib.compressobj(9)
    row = bytes(1 + -(-width // 8))
    data = b"".join(packer.compress(row * min(1000, height - y)) for y in range(0, height, 1000)) + packer.flush()
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
