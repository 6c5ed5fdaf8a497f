"""Run one small question from the command line to its files, without mocks."""

import subprocess
import sys
from pathlib import Path

from benchmarks import inference
from benchmarks._ceiling import COPY, PRODUCT
from benchmarks._document import read_document


def test_inference_with_one_peer_from_the_command_line(tmp_path):
    options = ["--quick", "--peers", "onnxruntime, default", "--batch", "1", "4", "--threads", "1", "--seconds", "0.02"]
    written = ["--json", str(tmp_path / "r.json"), "--report", str(tmp_path / "r.md")]
    asked = [sys.executable, "-m", "benchmarks", "inference", *options, "--tasks", "decoding", "generation", *written]
    ended = subprocess.run(asked, cwd=Path(inference.__file__).parents[1], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    document = read_document(tmp_path / "r.json")
    assert document.quick
    comparisons = {comparison.name: comparison for comparison in document.questions["inference"]}
    assert list(comparisons) == [
        *("decoding, offline", "decoding, single-stream", "decoding, server: p99 within 10 ms", "generation")
    ]
    offline = comparisons["decoding, offline"]
    assert [entry.name for entry in offline.measured] == [
        *("onnxruntime, default session", "cvae_runtime", "cvae_runtime, int8", PRODUCT, COPY)
    ]
    (skipped,) = (entry for entry in offline.entries if entry.status != "measured")
    assert (skipped.name, skipped.status) == ("cvae_runtime, CUDA", "skipped")
    assert skipped.reason.startswith("provider cuda needs ONNX Runtime's CUDAExecutionProvider")
    for entry in offline.measured:
        assert {point.at: len(point.rounds) for point in entry.points} == {1: 3, 4: 3}
        assert all(point.lowest > 0 for point in entry.points)
    assert comparisons["decoding, single-stream"].places == ("p50", "p90", "p99")
    lines = ended.stdout.splitlines()
    assert lines[2].startswith("decoding, offline: images/s, higher is better; ")
    assert lines[4].replace("|", "").split() == ["batch", "1", "batch", "4"]
    page = (tmp_path / "r.md").read_text()
    assert [line[4:] for line in page.splitlines() if line.startswith("### ")] == list(comparisons)
    assert (tmp_path / "r" / "inference-1.png").read_bytes().startswith(b"\x89PNG")
