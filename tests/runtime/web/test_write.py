"""`write_page` and ``cvae-web`` with a fake of the built page: paths, contents and errors."""

import base64
import gzip
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import cvae_runtime as cvae
import cvae_runtime.web
from benchmarks._notebook import BUNDLE as NOTEBOOK
from cvae_runtime._commands import web as _cli_web
from cvae_runtime._web import write as _web

GOLDEN = Path(__file__).parents[2] / "golden"
WASM, GPU_WASM = b"\0asm small", b"\0asm with WebGPU"


@pytest.fixture(autouse=True)
def page(tmp_path_factory, monkeypatch):
    """Make a page with the files of `make page`, but other contents."""
    folder = tmp_path_factory.mktemp("built") / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>\n")
    (folder / "sw.js").write_text("// offline\n")
    (folder / "licenses.md").write_text("MIT License\n")
    (folder / "single.html").write_text("<!doctype html>\n<p>é</p>\n<!--cvae:files-->\n<script>run()</script>\n")
    (folder / "assets" / "index-abc.js").write_text("run();\n")
    (folder / "assets" / "ort-wasm-simd-threaded-abc.wasm.gz").write_bytes(gzip.compress(WASM))
    (folder / "assets" / "ort-wasm-simd-threaded.asyncify-abc.wasm.gz").write_bytes(gzip.compress(GPU_WASM))
    monkeypatch.setattr(_web, "PAGE", folder)
    return folder


@pytest.fixture
def cvae_web(run_as):
    """Run ``cvae-web``; return its exit code and stderr."""

    def cvae_web(*arguments):
        code, out, err = run_as(_cli_web.command, "cvae-web", *arguments)
        assert out == b""
        return code, err

    return cvae_web


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def embedded(html):
    elements = re.findall(r'<script type="application/octet-stream;base64" data-file="([^"]+)">([^<]+)</script>', html)
    return {name: gzip.decompress(base64.b64decode(data, validate=True)) for name, data in elements}


def test_contents_of_a_folder(tiny_bundle, tmp_path):
    written = cvae.web.write_page(cvae.read_bundle(tiny_bundle), tmp_path / "out")
    found = files_of(tmp_path / "out")
    assert found == {
        "index.html": b"<!doctype html>\n",
        "sw.js": b"// offline\n",
        "licenses.md": b"MIT License\n",
        "assets/index-abc.js": b"run();\n",
        "assets/ort-wasm-simd-threaded-abc.wasm": WASM,
        "assets/ort-wasm-simd-threaded.asyncify-abc.wasm": GPU_WASM,
        **{f"bundle/{name}": data for name, data in files_of(tiny_bundle).items()},
        "page.json": found["page.json"],
    }
    assert json.loads(found["page.json"]) == {"cvae-web": sorted(found)}
    assert written == {name: len(data) for name, data in found.items()}
    cvae.read_bundle(tmp_path / "out" / "bundle")


def test_contents_of_a_single_file(tmp_path):
    bundle = cvae.read_bundle(NOTEBOOK)
    target = tmp_path / "page.html"
    written = cvae.web.write_page(bundle, target)
    text = target.read_text(encoding="utf-8")
    assert written == {"page.html": len(text.encode())}
    assert embedded(text) == {
        "bundle/encoder.onnx": bundle.files["encoder.onnx"],
        "bundle/decoder_cpu.onnx": bundle.files["decoder_cpu.onnx"],  # the graphs for WebAssembly
        "bundle/golden.json": bundle.files["golden.json"],
        "bundle/manifest.json": (bundle.path / "manifest.json").read_bytes(),
        "ort.wasm": WASM,
    }
    assert text.startswith("<!doctype html>\n<p>é</p>\n\n<script type=")
    notices = '<script type="text/plain" id="licenses">\nMIT License\n</script>'
    assert text.endswith(f"</script>\n{notices}\n\n<script>run()</script>\n")


@pytest.mark.parametrize(("name", "more"), [("learned", ("prior", "prior_density")), ("detector", ("detector",))])
def test_a_learned_prior_and_a_detector_are_in_the_single_file(name, more, tmp_path):
    bundle = cvae.read_bundle(GOLDEN / name)
    cvae.web.write_page(bundle, tmp_path / "page.html")
    found = embedded((tmp_path / "page.html").read_text(encoding="utf-8"))
    graphs = {name: data for name, data in found.items() if name.endswith(".onnx")}
    names = [f"{role}.onnx" for role in ("encoder", "decoder", *more)]
    assert graphs == {f"bundle/{name}": bundle.files[name] for name in names}


def test_output_is_reproducible(tiny_bundle, tmp_path):
    bundle = cvae.read_bundle(tiny_bundle)
    for name in ("a.html", "b.html"):
        cvae.web.write_page(bundle, tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_overwrite_replaces_only_pages(page, tiny_bundle, tmp_path, refuses):
    bundle = cvae.read_bundle(tiny_bundle)
    folder, file = tmp_path / "out", tmp_path / "out.html"
    for target in (folder, file):
        cvae.web.write_page(bundle, target)
        with refuses(cvae.TargetExistsError, f"{target} exists already; choose another name or pass --overwrite"):
            cvae.web.write_page(bundle, target)
    whole = files_of(folder)
    (page / "assets" / "index-abc.js").rename(page / "assets" / "index-def.js")  # of another version
    cvae.web.write_page(bundle, folder, overwrite=True)
    assert {*whole} ^ {*files_of(folder)} == {"assets/index-abc.js", "assets/index-def.js"}
    cvae.web.write_page(bundle, file, overwrite=True)
    for name in ("CNAME", "assets/logo.svg", "bundle/notes/a"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
        message = (
            f"{folder}: expected a page of cvae-web and nothing else, found {name.removesuffix('a')}; only what this "
            f"project wrote is overwritten: move the rest elsewhere, or choose another name"
        )
        with refuses(cvae.TargetExistsError, message):
            cvae.web.write_page(bundle, folder, overwrite=True)
        assert (folder / name).read_text() == "mine"
        (folder / name).unlink()

    kept = tmp_path / "photos"
    kept.mkdir()
    (kept / "index.html").write_text("mine")
    message = (
        f"{kept}: expected a page of cvae-web, found another folder, which is not overwritten; choose another name"
    )
    with refuses(cvae.TargetExistsError, message):
        cvae.web.write_page(bundle, kept, overwrite=True)
    message = f"{kept}: expected the name of a file, found a folder; choose another name"
    with refuses(cvae.TargetExistsError, message):
        cvae.web.write_page(bundle, kept, single_file=True, overwrite=True)
    assert files_of(kept) == {"index.html": b"mine"}


def test_a_checkout_without_a_page(page, cvae_web):
    (page / "single.html").unlink()
    code, err = cvae_web("out")
    told, line = err.split(": make ")
    message = f"Error: the web page: expected it in {page}, found nothing; build it, with Node.js 20.19 or later"
    assert (code, told) == (1, message)
    planned = subprocess.run(["make", "-n", *shlex.split(line)], capture_output=True, text=True, check=True).stdout
    assert "npm run build:page" in planned


def test_an_installation_without_a_page(page, cvae_web, monkeypatch, tmp_path):
    (page / "single.html").unlink()
    monkeypatch.setattr(_web, "__file__", str(tmp_path / "lib" / "cvae_runtime" / "_web.py"))
    message = (
        f"Error: the web page: expected it in {page}, found nothing; in a checkout of cvae-toolkit, with Node.js 20.19 or "
        f"later, run: make page && pip install .\n"
    )
    assert cvae_web("out") == (1, message)


def test_the_command_writes_a_page(cvae_web, tiny_bundle, tmp_path):
    message = (
        "packaged: 13 files of 3.7 MB, for any static host; to view it here, run\n"
        "  python -m http.server --bind 127.0.0.1 --directory packaged\n"
    )
    assert cvae_web("packaged") == (0, message)
    assert cvae.read_bundle(tmp_path / "packaged" / "bundle").sha256 == cvae.read_bundle().sha256
    assert cvae_web("my page")[1].endswith(" --directory 'my page'\n")
    assert cvae_web("-q", tiny_bundle, "mine") == (0, "")
    assert cvae.read_bundle(tmp_path / "mine" / "bundle").sha256 == cvae.read_bundle(tiny_bundle).sha256
    assert cvae_web(tiny_bundle, "mail.html") == (0, "mail.html: one file of 0.0 MB; open it in a browser\n")
    assert cvae_web("--single-file", "-q", tiny_bundle, "mail") == (0, "")
    assert (tmp_path / "mail").read_bytes() == (tmp_path / "mail.html").read_bytes()


def test_errors_of_the_command(cvae_web, tiny_bundle, tmp_path):
    code, err = cvae_web()
    assert (code, err.splitlines()[-1]) == (2, "Error: expected OUT, or BUNDLE and OUT; found 0 paths")
    assert cvae_web("a", "b", "c")[0] == 2
    code, err = cvae_web("--overwrite", tiny_bundle)
    message = f"Error: {tiny_bundle} is a bundle; name the output, too: cvae-web {tiny_bundle} page.html"
    assert (code, err.splitlines()[-1]) == (2, message)
    message = "Error: nowhere: expected a bundle, a folder with manifest.json, found nothing; cvae-export makes one\n"
    assert cvae_web("nowhere", "out") == (5, message)
    (tiny_bundle / "decoder.onnx").write_bytes(b"")
    code, err = cvae_web(tiny_bundle, "out")
    assert code == 5
    assert err.startswith(f"Error: {tiny_bundle / 'decoder.onnx'}: expected ")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("")
    message = (
        "Error: there: expected a page of cvae-web, found another folder, which is not overwritten; "
        "choose another name\n"
    )
    assert cvae_web("there") == cvae_web("there", "--overwrite") == (1, message)
    assert cvae_web("no/out") == (1, "Error: cannot write no/out: the folder no does not exist; create it first\n")
    assert not (tmp_path / "out").exists()


def test_the_command_imports_no_onnxruntime(tmp_path, page, fresh_python):
    code = (
        "import sys; from pathlib import Path; from cvae_runtime import read_bundle; from cvae_runtime.web import write_page; from cvae_runtime._web import write\n"
        "write.PAGE = Path(sys.argv[1]); write_page(read_bundle(), sys.argv[2])\n"
        "assert 'onnxruntime' not in sys.modules"
    )
    assert fresh_python(code, page, tmp_path / "out").returncode == 0
    assert (tmp_path / "out" / "index.html").is_file()
