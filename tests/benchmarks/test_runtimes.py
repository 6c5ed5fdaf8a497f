import io
import shutil
import stat
import sys

import numpy as np
import pytest

import cvae_runtime
import cvae_runtime.bundle
from benchmarks import runtimes
from benchmarks._notebook import BUNDLE
from benchmarks._process import ContenderError
from benchmarks._progress import Progress
from benchmarks._rows import Row, report
from benchmarks.embedded import _prepare, cpp
from benchmarks.embedded._agreement import Agreement, bits, distance, shares, ulp
from benchmarks.embedded._prepare import build_javascript, prepare
from benchmarks.embedded._program import LineProgram
from benchmarks.embedded._runtimes import Runtime
from benchmarks.embedded._runtimes import runtimes as all_runtimes

GRAPHS = ("encoder.onnx", "decoder.onnx", "decoder_cpu.onnx")


def fake(name, kind="peer", most=None):
    """A runtime that starts a program of `programs`."""

    def start(contender, folder):
        return LineProgram(contender, [sys.executable, "-m", "tests.benchmarks.programs", str(folder), name])

    return Runtime(name, kind, start, most=most)


def ask(*asked, batch=(1, 2)):
    """Run the question; return its comparisons by name, and its report."""
    told = Progress(out=io.StringIO())
    found = list(runtimes.run(quick=True, progress=told, batch=batch, seconds=0.01, asked=asked))
    return {comparison.name: comparison for comparison in found[:-1]}, found[-1]


@pytest.fixture(scope="module")
def golden():
    bundle = cvae_runtime.read_bundle(BUNDLE)
    return cvae_runtime.bundle.parse_golden(bundle.files["golden.json"], "golden.json")


@pytest.fixture(scope="module")
def javascript():
    reason = build_javascript()
    if reason is not None:
        pytest.skip(reason)


def row(name, difference, **changes):
    agreement = Agreement({"encoder.onnx": {"mean": difference / 2}, "decoder.onnx": {"probs": difference}}, {}, 0)
    plain = {
        "agreement": agreement,
        "threads": "2",
        "about": f"version 1 of {name}",
        "cold": [0.25, 0.2, 0.5],
        "rates": {1: [1500.0, 1000.0, 2000.0], 64: [20000.0, 30000.0, 10000.0]},
        "size": 51_230_000,
    }
    return Row(name, **{**plain, **changes})


def cells(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_report_has_a_row_per_runtime():
    plain = Agreement({"decoder.onnx": {"probs": 2e-7}}, {"encoder.onnx": "it has no Cast"}, None)
    rows = [
        row("Python", 0.0),
        row("Node.js", 1.2e-6),
        row("other", 0, agreement=plain, threads="GPU", rates={1: [2]}),
    ]
    table, _, notes = report(rows, {"C++": "skipped: not built"}).partition("\n\n")
    header, _, *lines = (cells(line) for line in table.splitlines())
    assert header == ["", "largest difference", "latents", "threads", "cold start", "batch 1", "batch 64", "size"]
    assert lines == [
        ["Python", "0.0e+00", "0 ulp", "2", "250 ms", "1,500/s", "20,000/s", "51.2 MB"],
        ["Node.js", "1.2e-06", "0 ulp", "2", "250 ms", "1,500/s", "20,000/s", "51.2 MB"],
        ["other", "2.0e-07", "-", "GPU", "250 ms", "2/s", "-", "51.2 MB"],
    ]
    assert notes.splitlines() == [
        "- Python: version 1 of Python; compared encoder.onnx, decoder.onnx",
        "- Node.js: version 1 of Node.js; compared encoder.onnx, decoder.onnx",
        "- other: version 1 of other; compared decoder.onnx",
        "  - not encoder.onnx: it has no Cast",
        "- C++: skipped: not built",
    ]


def test_shares_of_the_largest_golden_value(golden):
    largest = np.abs(next(case for case in golden.cases if case.file == "encoder.onnx").outputs["mean"]).max()
    found = shares(Agreement({"encoder.onnx": {"mean": 1e-6}}, {}, 1), golden)
    assert found["encoder.onnx"]["mean"] == pytest.approx(1e-6 / largest)
    assert largest > 1.5


def test_bits():
    assert [bits(share) for share in (0.0, 2.0**-30, 2.0**-20, 0.25)] == [24.0, 24.0, 20.0, 2.0]


def test_ulp():
    tiny = np.float32(1e-45)
    assert ulp(np.float32([1, -tiny]), np.float32([np.nextafter(np.float32(1), np.float32(2)), tiny]), "x") == 2
    with pytest.raises(ContenderError, match=r"^x: expected 3 values, found 2$"):
        distance(np.zeros(2), np.zeros(3), "x")


def test_wrong_programs_have_reasons():
    wrong = ("LaterWrong", "FirstWrong", "Far", "NotANumber", "Short", "OtherNumbers", "Useless", "Dying", "Missing")
    found, text = ask(fake("Right", "ours"), *map(fake, wrong))
    entries = {entry.name: entry for entry in found["decoding where it is embedded"].entries}
    assert entries.pop("Right").status == "measured"
    later = entries.pop("LaterWrong")
    assert later.status == "refused"
    assert later.reason.startswith("wrong output at batch 1: off by 0.")
    assert {name: (entry.status, entry.reason) for name, entry in entries.items()} == {
        "FirstWrong": ("refused", "wrong output at batch 1: off by 0.25, more than 1e-04"),
        "Far": ("refused", "mean of encoder.onnx: off by 0.13, more than 0.0006"),
        "NotANumber": ("refused", "mean of encoder.onnx: off by nan, more than 0.0006"),
        "Short": ("refused", "mean of encoder.onnx: expected 150 values, found 50"),
        "OtherNumbers": ("refused", "other random numbers: 2 ulp from the golden ones"),
        "Useless": (
            "failed",
            f"it runs none of the graphs: {'; '.join(f'{file}: it has no decoder' for file in GRAPHS)}",
        ),
        "Dying": ("failed", "exit code 3: out of luck"),
        "Missing": ("skipped", "not installed: No module named 'a_package_that_is_not_there'"),
    }
    lines = text.splitlines()
    name, difference, latents = cells(lines[2])[:3]
    assert (name, latents) == ("Right", "0 ulp")
    assert float(difference) < 1e-6  # 0 on processors of the golden vectors' kind
    assert "- Dying: failed: exit code 3: out of luck" in lines


def test_programs_within_the_tolerance():
    found, text = ask(fake("Right", "ours"), fake("Near"), fake("Plain", most=1), fake("DyingLater"))
    agreement = found["agreement with the golden outputs"]
    assert [point.at for point in agreement.entry("Right").points] == ["mean", "logvar", "probs", "probs, cpu"]
    assert [point.at for point in agreement.entry("Plain").points] == ["mean", "logvar", "probs"]
    near = agreement.entry("Near")
    assert near.point("probs").median == pytest.approx(16, abs=0.1)
    assert near.point("mean").median > 16  # its largest value is above 1
    rates = found["decoding where it is embedded"]
    assert {entry.name: [(p.at, len(p.rounds)) for p in entry.points] for entry in rates.measured} == {
        "Right": [(1, 2), (2, 2)],
        "Near": [(1, 2), (2, 2)],
        "Plain": [(1, 2)],
    }
    assert {entry.name: entry.reason for entry in rates.entries if entry.reason} == {
        "DyingLater": "exit code 1: RuntimeError: out of breath"
    }
    lines = text.splitlines()
    ((difference, ulps),) = [cells(line)[1:3] for line in lines if line.startswith("| Near ")]
    assert (float(difference), ulps) == (pytest.approx(2**-16, abs=1e-6), "1 ulp")
    assert "- Plain: right; compared encoder.onnx, decoder.onnx" in lines
    assert "  - not decoder_cpu.onnx: ValueError: Col2Im is not known" in lines
    for comparison in found.values():
        assert all(value > 0 for entry in comparison.measured for point in entry.points for value in point.rounds)


def test_words_select_peers():
    asked = [Runtime("Python", "ours", fake("Right").open), fake("Near"), fake("Missing")]
    told = Progress(out=io.StringIO())
    run = runtimes.run(quick=True, progress=told, batch=(1,), seconds=0.01, asked=asked, peers=["MISS"])
    assert [entry.name for entry in next(run).entries] == ["Python", "Missing"]


def real(*names):
    """Measure these rows for real; return the comparisons by name, and the report."""
    found, text = ask(*(runtime for runtime in all_runtimes() if runtime.name in names), batch=(1, 3))
    for comparison in found.values():
        assert {entry.name: entry.reason for entry in comparison.entries} == dict.fromkeys(names)
    return found, text


def agrees(found, name, least):
    entry = found["agreement with the golden outputs"].entry(name)
    assert len(entry.points) == 4
    assert min(point.median for point in entry.points) > least


def test_python_row():
    found, text = real("Python")
    agrees(found, "Python", 17)
    assert "decoder_cpu.onnx; compared encoder.onnx, decoder.onnx, decoder_cpu.onnx" in text
    assert 20 < found["size of what an app ships"].entry("Python").points[0].median < 2000


@pytest.mark.usefixtures("javascript")
def test_node_row():
    found, text = real("Python", "Node.js")
    agrees(found, "Node.js", 17)
    assert cells(text.splitlines()[3])[2] in ("0 ulp", "1 ulp")
    assert 10 < found["size of what an app ships"].entry("Node.js").points[0].median < 200


@pytest.mark.usefixtures("javascript")
def test_chromium_row():
    found, text = ask(*(runtime for runtime in all_runtimes() if runtime.name == "Chromium, isolated"), batch=(1,))
    (entry,) = found["decoding where it is embedded"].entries
    if entry.status == "skipped":
        pytest.skip(entry.reason)
    assert entry.reason is None
    agrees(found, "Chromium, isolated", 17)
    name, _, latents, threads, *_ = cells(text.splitlines()[2])
    assert (name, latents.endswith(" ulp"), int(threads) >= 1) == ("Chromium, isolated", True, True)
    assert 10 < found["size of what an app ships"].entry("Chromium, isolated").points[0].median < 20


@pytest.mark.usefixtures("javascript")
def test_rows_without_chromium_are_skipped(monkeypatch, tmp_path):
    (tmp_path / "node").symlink_to(shutil.which("node"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    found, _ = ask(*(runtime for runtime in all_runtimes() if runtime.name == "Chromium, 1 thread"))
    (entry,) = found["cold start to the first image"].entries
    expected = "Chromium is not installed: apt-get install chromium, or set CHROMIUM"
    assert (entry.status, entry.reason) == ("skipped", expected)


def test_rows_without_node_are_skipped(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found, _ = ask(*(runtime for runtime in all_runtimes() if runtime.name in ("Node.js", "Chromium, WebGPU")))
    entries = found["cold start to the first image"].entries
    assert [(entry.name, entry.status) for entry in entries] == [
        ("Node.js", "skipped"),
        ("Chromium, WebGPU", "skipped"),
    ]
    assert {entry.reason for entry in entries} == {"not installed: Node.js, 20.19 or later"}


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_compile_errors_are_returned(monkeypatch, tmp_path):
    monkeypatch.setattr(_prepare, "JAVASCRIPT", tmp_path)
    assert build_javascript() == "not installed: runtime/js/node_modules; npm install in runtime/js"
    compiler = tmp_path / "node_modules" / "typescript" / "bin" / "tsc"
    compiler.parent.mkdir(parents=True)
    compiler.write_text("console.log('src/api.ts(1,1): error TS1005'); process.exit(2);")
    assert build_javascript() == "runtime/js does not compile: src/api.ts(1,1): error TS1005"
    compiler.write_text("")
    assert build_javascript() is None


def test_openvino_and_reference_rows():
    pytest.importorskip("openvino", reason="openvino is not installed")
    found, _ = real("OpenVINO", "onnx reference")
    for name in ("OpenVINO", "onnx reference"):
        agrees(found, name, 17)


@pytest.fixture
def built(tmp_path):
    """A folder with scripts that replace the programs of examples/cpp."""
    sample = f"""#!{sys.executable}
import sys
import cvae_runtime
said = dict(zip(sys.argv[2::2], sys.argv[3::2]))
with cvae_runtime.load({str(BUNDLE)!r}, provider="cpu") as model:
    images = model.generate(int(said["-n"]), seed=int(said["--seed"]))
images.tofile(said["--raw"])
if "--repeat" in said:
    print(int(said["--repeat"]) * 1000, "images/s", file=sys.stderr)
"""
    test = f"""#!{sys.executable}
print("ok    Threefry-2x32: a known answer")
for seed, steps in ((0, 0), (7, 1), (81985529216486895, 0)):
    print(f"ok    latents, seed {{seed}}, first 0: {{steps}} ulp from what is known")
print("ok    encoder.onnx, mean: largest difference 2.5e-07, allowed 0.0006")
print("ok    encoder.onnx, logvar: largest difference 0, allowed 0.0006")
print("ok    decoder.onnx, probs: largest difference 5e-07, allowed 0.0001")
"""
    for name, text in (("cvae-sample", sample), ("cvae-self-test", test)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(stat.S_IRWXU)
    return tmp_path


def test_cpp_row(monkeypatch, built):
    libraries = [built / "libonnxruntime.so.1"]
    libraries[0].write_bytes(bytes(1_000_000))
    monkeypatch.setattr(cpp.CommandLine, "_libraries", lambda _: libraries)
    found, text = ask(Runtime("C++", "peer", lambda _, folder: cpp.CommandLine(folder, built)))
    points = found["agreement with the golden outputs"].entry("C++").points
    assert [point.at for point in points] == ["mean", "logvar", "probs"]
    assert points[2].median == pytest.approx(-np.log2(5e-7), abs=0.01)
    rates = found["decoding where it is embedded"].entry("C++")
    assert [(p.at, p.rounds) for p in rates.points] == [(1, (1000.0, 1000.0)), (2, (1000.0, 1000.0))]
    size = (built / "cvae-sample").stat().st_size + 1_000_000
    assert found["size of what an app ships"].entry("C++").points[0].median == size / 1e6
    assert cells(text.splitlines()[2])[1:4] == ["5.0e-07", "1 ulp", "default"]
    assert text.splitlines()[-2:] == [
        "- C++: libonnxruntime.so.1, decoder.onnx; compared encoder.onnx, decoder.onnx",
        "  - not decoder_cpu.onnx: it opens portable graphs",
    ]


def test_missing_or_failing_cpp_programs(monkeypatch, built, tmp_path):
    monkeypatch.setattr(cpp.CommandLine, "_libraries", lambda _: [])
    with pytest.raises(ContenderError) as caught:
        cpp.CommandLine(tmp_path, tmp_path / "nowhere")
    assert (caught.value.status, str(caught.value)) == (
        "skipped",
        "not built: cvae-sample; cmake -S examples/cpp -B build/cpp and --build it, as examples/cpp/README.md says",
    )
    (built / "cvae-self-test").write_text(f"#!{sys.executable}\nraise SystemExit('WRONG it')\n")
    found, _ = ask(Runtime("C++", "peer", lambda _, folder: cpp.CommandLine(folder, built)))
    (entry,) = found["cold start to the first image"].entries
    assert (entry.status, entry.reason) == ("failed", "cvae-self-test: exit code 1: WRONG it")


def test_prepared_bundles_select_each_graph(tmp_path):
    prepare(tmp_path, 3)
    for folder, file in (("packaged", "decoder_cpu.onnx"), ("portable", "decoder.onnx")):
        with cvae_runtime.load(tmp_path / folder, provider="cpu") as model:
            assert model.graphs["decoder"].file == file
    batch = np.fromfile(tmp_path / "batch.f32", "<f4").reshape(3, 50)
    assert (batch == cvae_runtime.prior_latents(1, 0, 3, 50)).all()
    assert np.fromfile(tmp_path / "first.f32", "<f4")[0].tobytes()[::-1].hex() == "bf8860bf"
