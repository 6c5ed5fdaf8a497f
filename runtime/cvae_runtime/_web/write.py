"""The web page with a bundle in it: a folder for any static host, or one HTML file.

The page is built from ``runtime/js`` into ``page/`` beside this module, by ``make page``; a wheel has it already. Its
WebAssembly lies there gzipped, as an installation should stay small.
"""

import base64
import gzip
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from .._bundle import MANIFEST_NAME, Bundle, choose_graph
from .._errors import MissingExtraError
from .._system import Layout, Owns, new_folder, owns_names, refuse_existing, refuse_existing_folder, write_file

PAGE = Path(__file__).parents[1] / "page"

_PLACEHOLDER = "<!--cvae:files-->"  # in single.html, where the files go
_WASM = "assets/ort-wasm-simd-threaded-*.wasm.gz"  # the build without WebGPU, the smaller one
_BUNDLE = "bundle"
_LIST = "page.json"  # names the page's files, so that another page may replace it


def _owns(folder: Path) -> Owns:
    return owns_names(json.loads((folder / _LIST).read_bytes())["cvae-web"])


_PAGE_LAYOUT = Layout("a page of cvae-web", _owns)


def is_single_file(target: Path) -> bool:
    """Whether the page at ``target`` is to be one file, by its name."""
    return target.suffix.lower() in (".html", ".htm")


def check_page(target: Path, *, single_file: bool, overwrite: bool) -> None:
    """Raise unless a page can be written to ``target``: before any other work is done.

    Raises:
        MissingExtraError: this installation has no page.
        TargetExistsError: the target exists and is not to be overwritten, or it holds anything but a page.
        InputError: the folder that is to hold it does not exist.
    """
    if not (PAGE / "single.html").is_file():
        raise MissingExtraError(f"the web page: expected it in {PAGE}, found nothing; {_building()}")
    if single_file:
        refuse_existing(target, overwrite)
    else:
        refuse_existing_folder(target, _PAGE_LAYOUT, overwrite)


def _building() -> str:
    """How the page comes here: into a checkout by make, from a checkout into an installation by pip."""
    node = "with Node.js 20.19 or later"
    checkout = Path(__file__).parents[3]
    if (checkout / "Makefile").is_file():
        return f"build it, {node}: make -C {shlex.quote(str(checkout))} page"
    return f"in a checkout of cvae-toolkit, {node}, say: make page && pip install ."


def write_page(
    bundle: Bundle, target: str | Path, *, single_file: bool | None = None, overwrite: bool = False
) -> dict[str, int]:
    """Write the web page that runs a bundle in the visitor's browser; whole or not at all.

    Args:
        bundle: what `read_bundle` gives; the page holds it as it is.
        target: the page's folder, for any static host, or its file.
        single_file: write one HTML file, the model and WebAssembly in it, which opens from the disk; if not given, where
            the target's name ends in ``.html``.
        overwrite: replace a page that is there.

    Returns:
        Bytes of each file written, by its path from the target; of a single file, by its own name.

    Raises:
        MissingExtraError, TargetExistsError, InputError: see `check_page`; or it cannot be written.
    """
    target = Path(target)
    single_file = is_single_file(target) if single_file is None else single_file
    check_page(target, single_file=single_file, overwrite=overwrite)
    if single_file:
        data = _single_file(bundle)
        write_file(target, data)
        return {target.name: len(data)}
    files = dict(_files(bundle))
    files[_LIST] = _listed(files)
    with new_folder(target, replaces=_PAGE_LAYOUT if overwrite else None) as folder:
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_file(folder / name, data)
    return {name: len(data) for name, data in files.items()}


def _files(bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    for path in sorted(PAGE.rglob("*")):
        name = path.relative_to(PAGE).as_posix()
        if path.is_file() and name != "single.html":
            data = path.read_bytes()
            yield (name[:-3], gzip.decompress(data)) if path.suffix == ".gz" else (name, data)
    for name, data in bundle.files.items():
        yield f"{_BUNDLE}/{name}", data
    yield f"{_BUNDLE}/{MANIFEST_NAME}", bundle.text


def _listed(files: Mapping[str, bytes]) -> bytes:
    return (json.dumps({"cvae-web": sorted([*files, _LIST])}, indent=1) + "\n").encode()


def _single_file(bundle: Bundle) -> bytes:
    """The page with what it reads: the manifest, the two graphs that WebAssembly runs, the golden vectors."""
    (wasm,) = PAGE.glob(_WASM)
    graphs = [choose_graph(bundle.manifest, role, "float32", "cpu").file for role in ("encoder", "decoder")]
    names = [*graphs, bundle.manifest.golden.file]
    # Without a time stamp, a bundle gives the same file every time.
    packed = {f"{_BUNDLE}/{name}": gzip.compress(bundle.files[name], mtime=0) for name in names}
    packed[f"{_BUNDLE}/{MANIFEST_NAME}"] = gzip.compress(bundle.text, mtime=0)
    packed["ort.wasm"] = wasm.read_bytes()
    elements = [
        f'<script type="application/octet-stream;base64" data-file="{name}">{base64.b64encode(data).decode()}</script>'
        for name, data in packed.items()
    ]
    licenses = (PAGE / "licenses.md").read_text(encoding="utf-8")
    elements.append(f'<script type="text/plain" id="licenses">\n{licenses}</script>')
    before, after = (PAGE / "single.html").read_text(encoding="utf-8").split(_PLACEHOLDER)
    return "\n".join([before, *elements, after]).encode()
