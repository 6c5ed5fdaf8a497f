"""Every file states the same version; later versions read files of earlier ones, or refuse them and name the format."""

import hashlib
import json
import re
import shutil
import tomllib

import numpy as np
import pytest
import yaml

import cvae_runtime as cvae
import cvae_runtime.bundle
from cvae_train import RunFolder
from scripts import check_dist
from tests.project.test_distribution import ROOT

# A bundle of format 1 as written by the first release. Never write it again: if the format changes, keep it loadable
# and add a bundle of the new format.
COLOUR = ROOT / "tests" / "golden" / "colour"
MANIFEST_SHA256 = "9a0c29490d761119ed565daf75b3db1597ebba5db6f88b3389e265b9ff8990b7"

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_file_states_the_same_version():
    versions = check_dist.versions()
    assert set(versions) == {"pyproject.toml", "runtime/js/package.json", "CITATION.cff"}
    assert set(versions.values()) == {PROJECT["version"]}
    packed = re.findall(r"cvae-runtime-(.+?)\.tgz", (ROOT / "runtime/js/README.md").read_text())
    assert set(packed) <= {PROJECT["version"]}
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in versions if f"`{name}`" not in contributing] == []


def test_citation():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation.pop("message") == "If you use cvae-toolkit, please cite it."
    assert set(citation.pop("keywords")) <= set(PROJECT["keywords"])
    assert citation == {
        "cff-version": "1.2.0",
        "type": "software",
        "title": PROJECT["name"],
        "abstract": PROJECT["description"],
        "version": PROJECT["version"],
        "license": PROJECT["license"],
        "authors": [{"name": "The cvae-toolkit authors"}],
    }
    assert (ROOT / "LICENSE").read_text().split()[:4] == ["Apache", "License", "Version", "2.0,"]


def test_first_bundle_is_unchanged():
    assert hashlib.sha256((COLOUR / cvae.bundle.MANIFEST_NAME).read_bytes()).hexdigest() == MANIFEST_SHA256


def test_format_1_bundle_loads():
    bundle = cvae.read_bundle(COLOUR)
    assert json.loads(bundle.text)["format"] == 1
    results = cvae.check_golden(bundle)
    assert [result.file for result in results if not result.agrees] == []
    with cvae.load(COLOUR, provider="cpu") as model:
        images = model.generate(3, seed=1)
        assert images.shape == (3, *model.image_shape)
        assert np.isfinite(model.score(cvae.to_uint8(images)).elbo).all()


@pytest.mark.parametrize("version", [0, 3, "1"])
def test_other_bundle_formats_are_refused(version, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(COLOUR, folder)
    path = folder / cvae.bundle.MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": version}))
    with pytest.raises(cvae.BundleError) as caught:
        cvae.load(folder, provider="cpu")
    assert str(caught.value) == (
        f"{path}: expected format 1 or 2, found {json.dumps(version)}; "
        f"use the version of cvae-toolkit that wrote it, or export the bundle again"
    )


@pytest.mark.parametrize("version", [0, 2, None])
def test_other_run_formats_are_refused(version, tmp_path):
    config = json.loads((ROOT / "assets" / "mnist" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"format": version}))
    with pytest.raises(cvae.InputError) as caught:
        RunFolder(tmp_path).read_config()
    assert str(caught.value) == (
        f"{tmp_path / 'config.json'}: expected format 1, found {version}; use the version of cvae-toolkit that wrote it"
    )


def test_first_run_is_readable():
    config, info = RunFolder(ROOT / "benchmarks" / "notebook" / "run").read_config()
    assert (config.model.latent_dim, info.test_images) == (50, 10_000)
