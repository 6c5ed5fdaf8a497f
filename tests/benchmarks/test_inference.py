import json
import sys

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import inference
from benchmarks._harness import compare


@pytest.mark.parametrize("contender", inference.CONTENDERS, ids=lambda contender: contender.name)
def test_contenders_decode_the_same_images(contender):
    result = compare(
        [contender], inference._reference, (1, 3), rounds=1, seconds=0.0, atol=inference.ATOL, log=lambda _: None
    )
    assert not result.skipped
    assert list(result.rates[contender.name]) == [1, 3]


def test_latents_are_the_streams_first():
    np.testing.assert_array_equal(inference.latents(2), inference.latents(5)[:2])


def test_prints_the_table_and_writes_every_round(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(inference, "CONTENDERS", inference.CONTENDERS[1:])
    monkeypatch.setattr(inference, "BATCHES", (1, 2))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "inference", "--quick", "--json", str(tmp_path / "r.json")])
    command.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("decoding, images a second; ")
    assert lines[2].split() == ["batch", "1", "batch", "2"]
    assert [line[:36].strip() for line in lines[3:]] == ["onnxruntime, default session", "cvae_runtime"]
    written = json.loads((tmp_path / "r.json").read_text())
    assert set(written["environment"]["versions"]) == {"cvae-toolkit", "numpy", "onnxruntime", "tensorflow", "torch"}
    assert len(written["result"]["rates"]["cvae_runtime"]["2"]) == 5
