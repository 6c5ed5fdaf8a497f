"""Write the web page that runs a bundle: a folder for any static host, or one HTML file.

``make page`` builds the page from ``runtime/js`` into the package's folder ``page/``; a wheel contains it. There its
WebAssembly is gzipped, to keep an installation small.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from .._bundle import MANIFEST_NAME, Bundle, choose_graph
from .._errors import MissingExtraError
from .._system import (
    Layout,
    Owns,
    new_folder,
    owns_names,
    refuse_existing,
    refuse_existing_folder,
    shell_quote,
    write_file,
)

PAGE = Path(__file__).parents[1] / "page"

_PLACEHOLDER = "<!--cvae:files-->"  # marks the place of the files in single.html
_WASM = "assets/ort-wasm-simd-threaded-*.wasm.gz"  # the smaller build, without WebGPU
_BUNDLE = "bundle"
_LIST = "page.json"  # lists the page's files, so that another page can replace them


def _owns(folder: Path) -> Owns:
    return owns_names(json.loads((folder / _LIST).read_bytes())["cvae-web"])


_PAGE_LAYOUT = Layout("a page of cvae-web", _owns)


def is_single_file(target: Path) -> bool:
    """Return whether the name of ``target`` ends in ``.html`` or ``.htm``, for a page in one file.

    Examples:
        >>> web.is_single_file(Path("page.html")), web.is_single_file(Path("page"))
        (True, False)
    """
    return target.suffix.lower() in (".html", ".htm")


def check_page(target: Path, *, single_file: bool, overwrite: bool) -> None:
    """Check, before any other work, that a page can be written to ``target``.

    Args:
        target: the page's folder or file.
        single_file: whether the page is one HTML file.
        overwrite: whether an existing page may be replaced.

    Raises:
        MissingExtraError: this installation has no page.
        TargetExistsError: the target exists and ``overwrite`` is not set, or it holds files that are not of a page.
        InputError: the parent folder does not exist.

    Examples:
        >>> Path("page.html").touch()
        >>> try:
        ...     web.check_page(Path("page.html"), single_file=True, overwrite=False)
        ... except cvae.TargetExistsError:
        ...     print("choose another name")
        choose another name
    """
    if not (PAGE / "single.html").is_file():
        raise MissingExtraError(f"the web page: expected it in {PAGE}, found nothing; {_build_instructions()}")
    if single_file:
        refuse_existing(target, overwrite)
    else:
        refuse_existing_folder(target, _PAGE_LAYOUT, overwrite)


def _build_instructions() -> str:
    """Return the instructions for building the page, for a checkout or an installation."""
    node = "with Node.js 20.19 or later"
    checkout = Path(__file__).parents[3]
    if (checkout / "Makefile").is_file():
        return f"build it, {node}: make -C {shell_quote(checkout)} page"
    return f"in a checkout of cvae-toolkit, {node}, run: make page && pip install ."


def write_page(
    bundle: Bundle, target: str | Path, *, single_file: bool | None = None, overwrite: bool = False
) -> dict[str, int]:
    """Write a web page that runs a bundle in the visitor's browser. The write is atomic.

    Args:
        bundle: the bundle, from `read_bundle`.
        target: the page's folder, for any static host, or the HTML file.
        single_file: write one HTML file that contains the model and WebAssembly and opens from disk. Default: whether
            the target's name ends in ``.html`` or ``.htm``.
        overwrite: replace an existing page.

    Returns:
        Size of each written file in bytes, by its path relative to the folder; for a single file, by its name.

    Raises:
        MissingExtraError: this installation has no page.
        TargetExistsError: the target exists and ``overwrite`` is not set, or it holds files that are not of a page.
        InputError: the parent folder does not exist, or the page cannot be written.

    Examples:
        >>> list(web.write_page(cvae.read_bundle(), "digits.html"))
        ['digits.html']
    """
    target = Path(target)
    single_file = is_single_file(target) if single_file is None else single_file
    check_page(target, single_file=single_file, overwrite=overwrite)
    if single_file:
        data = _single_file(bundle)
        write_file(target, data)
        return {target.name: len(data)}
    files = dict(_files(bundle))
    files[_LIST] = _file_list(files)
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
    others = {info.file for info in bundle.manifest.files or ()}  # the page opens none of them
    for name, data in bundle.files.items():
        if name not in others:
            yield f"{_BUNDLE}/{name}", data
    yield f"{_BUNDLE}/{MANIFEST_NAME}", bundle.text


def _file_list(files: Mapping[str, bytes]) -> bytes:
    return (json.dumps({"cvae-web": sorted([*files, _LIST])}, indent=1) + "\n").encode()


def _single_file(bundle: Bundle) -> bytes:
    """Return the page as one HTML file, with the manifest, the graphs for WebAssembly and the golden vectors."""
    (wasm,) = PAGE.glob(_WASM)
    roles = (*bundle.manifest.model.roles, "detector")
    graphs = [choose_graph(bundle.manifest, role, "float32", "cpu") for role in roles]
    names = [graph.file for graph in graphs if graph is not None]
    if bundle.manifest.golden.file in bundle.files:
        names.append(bundle.manifest.golden.file)
    # No time stamp, so that the same bundle gives the same file.
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
