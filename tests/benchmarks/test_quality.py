import numpy as np
import pytest

import cvae_runtime
import cvae_train
from benchmarks import quality
from benchmarks._notebook import BUNDLE


@pytest.fixture
def few(monkeypatch):
    """Use only the first 40 test digits."""
    data = cvae_train.Dataset(np.zeros((1, 28, 28, 1), np.uint8), cvae_train.load_data().test[:40])
    monkeypatch.setattr(cvae_train, "load_data", lambda: data)
    return data.test


def test_scores_of_variants(few, progress):
    elbo, nll, sizes = quality.run(quick=True, progress=progress)
    with cvae_runtime.load(provider="cpu") as model:
        expected = [float(np.mean(model.score(few, seed=seed).elbo)) for seed in (0, 1)]
        likelihood = float(np.mean(model.score(few, samples=16).iw_bound))
    assert elbo.entry("packaged model").points[0].rounds == pytest.approx(expected, abs=1e-3)
    assert nll.entry("packaged model").points[0].rounds == pytest.approx((-likelihood,), abs=1e-3)
    assert (elbo.better, nll.better, elbo.unit, nll.unit) == ("higher", "lower", "nats", "nats")
    # The bound with 16 samples is tighter than the ELBO.
    names = ["packaged model", "notebook's network", "notebook's network, int8"]
    for name in names:
        assert -nll.entry(name).points[0].median > elbo.entry(name).points[0].median
    assert [entry.name for entry in sizes.entries] == names


def test_presets_are_read_from_their_histories():
    found = {entry.name: (entry.kind, entry.points[0].rounds) for entry in quality.presets()}
    assert [name.split(",")[0] for name in found] == ["preset best", "preset fast", "preset notebook"]
    text = quality.HISTORIES["notebook"].read_text().splitlines()
    epoch, elbo, *_ = text[-1].split(",")
    assert found[f"preset notebook, {epoch} epochs"] == ("peer", (float(elbo),))


def test_sizes_of_cpu_files():
    graphs = {graph.file: graph.bytes for graph in cvae_runtime.read_bundle(BUNDLE).manifest.graphs}
    assert quality.files_of(BUNDLE, "float32") == graphs["encoder.onnx"] + graphs["decoder_cpu.onnx"]
    assert quality.files_of(BUNDLE, "int8") == graphs["encoder.onnx"] + graphs["decoder_cpu_int8.onnx"]
