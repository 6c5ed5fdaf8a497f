import json

import pytest

import cvae_runtime
from cvae_export import export
from cvae_train._cli_evaluate import command


@pytest.mark.parametrize("samples", [5, 700])  # 700: the draws of one image are decoded in two parts
def test_a_run_and_its_bundle_have_the_same_bound(console, run, tmp_path, tiny_data, samples):
    assert console(command, "cvae-evaluate", run, "--samples", samples, "-q") == (0, "")
    evaluation = json.loads((run / "evaluation.json").read_text())
    export(run, tmp_path / "bundle", quiet=True)
    with cvae_runtime.load(tmp_path / "bundle", provider="cpu") as model:
        bounds = model.score(tiny_data.test, samples=samples, seed=0).iw_bound
        others = model.score(tiny_data.test, samples=samples, seed=1).iw_bound
    # The two networks sum in different orders in float32.
    assert evaluation["iw_bound"] == pytest.approx(bounds.mean(), rel=1e-6)
    assert evaluation["iw_bound"] != pytest.approx(others.mean(), rel=1e-6)
    assert evaluation["iw_bound_stderr"] == pytest.approx(bounds.std(ddof=1) / 13**0.5, rel=1e-5)
