"""What was written by one version is read by later ones, or refused with a word about versions."""

import hashlib
import json
import shutil

import numpy as np
import pytest

import cvae_runtime as cvae
import cvae_runtime.bundle
from cvae_train import RunFolder
from tests.project.test_distribution import ROOT

# A bundle of format 1 as the first release wrote it. It is never made anew: whoever changes the format keeps this one
# loadable, and puts one of the new format beside it.
COLOUR = ROOT / "tests" / "golden" / "colour"
MANIFEST_SHA256 = "9a0c29490d761119ed565daf75b3db1597ebba5db6f88b3389e265b9ff8990b7"


def test_the_bundle_of_the_first_release_is_the_one_that_it_was():
    assert hashlib.sha256((COLOUR / cvae.bundle.MANIFEST_NAME).read_bytes()).hexdigest() == MANIFEST_SHA256


def test_a_bundle_of_format_1_stays_loadable():
    bundle = cvae.read_bundle(COLOUR)
    assert json.loads(bundle.text)["format"] == 1
    results = cvae.check_golden(bundle)
    assert [result.file for result in results if not result.agrees] == []
    with cvae.load(COLOUR, provider="cpu") as model:
        images = model.generate(3, seed=1)
        assert images.shape == (3, *model.image_shape)
        assert np.isfinite(model.score(cvae.to_uint8(images)).elbo).all()


@pytest.mark.parametrize("version", [0, 2, "1"])
def test_a_bundle_of_another_format_says_so(version, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(COLOUR, folder)
    path = folder / cvae.bundle.MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": version}))
    with pytest.raises(cvae.BundleError) as caught:
        cvae.load(folder, provider="cpu")
    assert str(caught.value) == (
        f"{path}: expected format 1, found {json.dumps(version)}; "
        f"use the version of cvae-toolkit that wrote it, or export the bundle again"
    )


@pytest.mark.parametrize("version", [0, 2, None])
def test_a_run_of_another_format_says_so(version, tmp_path):
    config = json.loads((ROOT / "assets" / "mnist" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"format": version}))
    with pytest.raises(cvae.InputError) as caught:
        RunFolder(tmp_path).read_config()
    assert str(caught.value) == (
        f"{tmp_path / 'config.json'}: expected format 1, found {version}; use the version of cvae-toolkit that wrote it"
    )


def test_the_run_of_the_first_release_stays_readable():
    config, info = RunFolder(ROOT / "assets" / "mnist").read_config()
    assert (config.model.latent_dim, info.test_images) == (50, 10_000)
