import asyncio
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.bundle
from benchmarks._notebook import BUNDLE as NOTEBOOK

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SERVICE = [sys.executable, "-W", "error", "-m", "cvae_service"]
SERVICE_FOLDER = EXAMPLES / "fastapi_service"
COLOUR = ROOT / "tests" / "golden" / "colour"
BUNDLES = {50: NOTEBOOK, 3: COLOUR}  # by the length of a latent
KNOWN = [  # a bundle, a seed, an index, and the latent
    (
        BUNDLES[entry["latent_dim"]],
        entry["seed"],
        entry["index"],
        np.uint32([int(word, 16) for word in entry["latents"]]),
    )
    for entry in json.loads((ROOT / "tests" / "golden" / "rng.json").read_text())["prior"]
    if entry["latent_dim"] in BUNDLES
]
LABELS = ("0", "7", 'é"')  # of labelled_bundle; JSON spells the last one in another way
EXTRAS = ("reconstructor", "scorer", "sampler", "decoder_uint8", "encoder_float")  # all extra roles
GOLDEN_OUTPUTS = [  # of prior_bundle and labelled_bundle
    "encoder.onnx, logvar",
    "encoder.onnx, mean",
    "decoder.onnx, probs",
    "prior.onnx, z",
    "prior_density.onnx, log_prob",
    "prior_density.onnx, noise",
    "reconstructor.onnx, probs",
    "scorer.onnx, elbo",
    "scorer.onnx, log_likelihood",
    "sampler.onnx, probs",
    "decoder_uint8.onnx, images",
    "encoder_float.onnx, logvar",
    "encoder_float.onnx, mean",
]
SCORED = [  # bundles of all kinds, by fixture, and the labels of their images
    ("bundle", None),
    ("packaged_bundle", None),
    ("packaged_bundle", "7"),
    ("normal_bundle", None),
    ("normal_bundle", "7"),
    ("labelled_bundle", None),
    ("labelled_bundle", "7"),
    ("levels_bundle", None),
    ("grey_bundle", None),
]


def exported(run, bundle, extras):
    """The path of a bundle with the portable graphs and extra roles."""
    import cvae_export

    config = cvae_export.ExportConfig(targets=("portable",), extras=extras)
    return cvae_export.export(run, bundle, config, quiet=True).path


@pytest.fixture(scope="session")
def bundle():
    """The notebook's network, which has neither labels nor a learned prior."""
    return NOTEBOOK


@pytest.fixture(scope="module")
def model():
    with cvae.load(NOTEBOOK) as model:
        yield model


@pytest.fixture(scope="session")
def packaged_bundle():
    """The packaged model, which has labels and a learned prior, without scorer.onnx."""
    return cvae.packaged_bundle()


@pytest.fixture(scope="session")
def export_tiny(tiny_config, tiny_data, tiny_archive, tmp_path_factory):
    """Return a function that trains a model without labels and exports its bundle."""
    import cvae_train

    def export_tiny(model, extras, **config):
        folder = tmp_path_factory.mktemp("tiny")
        data = cvae_train.Dataset(tiny_data.train, tiny_data.test, str(tiny_archive))
        config["model"] = dataclasses.replace(tiny_config.model, **model)
        cvae_train.train(data, dataclasses.replace(tiny_config, epochs=1, **config), folder / "run", quiet=True)
        return exported(folder / "run", folder / "bundle", extras)

    return export_tiny


@pytest.fixture(scope="session")
def prior_bundle(export_tiny):
    """A bundle of format 2, with a learned prior."""
    return export_tiny({"prior": "learned"}, EXTRAS)


@pytest.fixture(scope="session")
def levels_bundle(export_tiny):
    """A bundle whose images have 256 levels, with scorer.onnx."""
    return export_tiny({"likelihood": "discretized-logistic-mixture"}, ["scorer"], binarize="none")


@pytest.fixture(scope="session")
def grey_bundle(export_tiny):
    """A bundle of a Bernoulli model of grey levels, without scorer.onnx."""
    return export_tiny({}, [], binarize="none")


@pytest.fixture(scope="module")
def prior_model(prior_bundle):
    with cvae.load(prior_bundle, provider="cpu") as model:
        yield model


def export_labelled(folder, data, config, prior, extras):
    """Train and export a model with a class for each third of the images, in which the blob begins."""
    import cvae_train

    thirds = [images.max(axis=(1, 3)).argmax(axis=1) // 2 for images in (data.train, data.test)]
    labels = cvae_train.Labels.of(*([LABELS[third] for third in part] for part in thirds))
    assert labels.names == LABELS
    archive = folder / "images.npz"
    classes = {name: np.array(LABELS)[part] for name, part in zip(("y_train", "y_test"), thirds, strict=True)}
    np.savez(archive, x_train=data.train, x_test=data.test, **classes)
    data = cvae_train.Dataset(data.train, data.test, str(archive), labels=labels)
    model = dataclasses.replace(config.model, prior=prior, labels=LABELS)
    cvae_train.train(data, dataclasses.replace(config, model=model, epochs=2), folder / "run", quiet=True)
    return exported(folder / "run", folder / "bundle", extras)


@pytest.fixture(scope="session")
def labelled_bundle(tiny_config, tiny_data, tmp_path_factory):
    """A bundle of format 2, with labels and a learned prior."""
    return export_labelled(tmp_path_factory.mktemp("labels"), tiny_data, tiny_config, "learned", EXTRAS)


@pytest.fixture(scope="session")
def normal_bundle(tiny_config, tiny_data, tmp_path_factory):
    """A bundle of format 2, with labels and the prior N(0, I), without scorer.onnx."""
    return export_labelled(tmp_path_factory.mktemp("normal"), tiny_data, tiny_config, "normal", [])


@pytest.fixture(scope="module")
def labelled_model(labelled_bundle):
    with cvae.load(labelled_bundle, provider="cpu") as model:
        yield model


def floats(path, shape):
    """The float32 values of a file that a program wrote."""
    return np.fromfile(path, "<f4").reshape(shape)


def write_image(path, image):
    """Write an image, uint8 (height, width, channels), as a PGM or PPM file."""
    height, width, channels = image.shape
    path.write_bytes(f"P{5 if channels == 1 else 6}\n{width} {height}\n255\n".encode() + image.tobytes())
    return path


def write_images(folder, images):
    return [write_image(folder / f"{index}.pnm", image) for index, image in enumerate(images)]


def write_scored(folder, bundle, label, count=5):
    """Write images of a model, and return their paths and ELBOs."""
    with cvae.load(bundle, provider="cpu") as model:
        images = cvae.to_uint8(model.generate(count, seed=99))
        return write_images(folder, images), model.score(images, label=label).elbo


def scores(output, paths):
    """The ELBOs that a program printed."""
    found = re.findall(r"(.+): ELBO (-?\d+\.\d{4}) nats\n", output)
    assert output == "".join(f"{path}: ELBO {elbo} nats\n" for path, elbo in found)
    assert [path for path, _ in found] == list(map(str, paths))
    return np.array([float(elbo) for _, elbo in found])


def assert_close(found, expected):
    """Assert equality to 1e-5 of the largest value."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.fixture
def later_bundle(bundle, tmp_path):
    """The notebook's bundle with a format that no version knows yet, in its manifest and its graphs."""
    later = shutil.copytree(bundle, tmp_path / "later")
    manifest = json.loads((bundle / "manifest.json").read_text())
    (later / "manifest.json").write_text(json.dumps(manifest | {"format": 3}))
    for file in later.glob("*.onnx"):
        graph = onnx.load(file)
        onnx.helper.set_model_props(graph, {**{p.key: p.value for p in graph.metadata_props}, "cvae.format": "3"})
        onnx.save(graph, file)
    return later


@pytest.fixture(scope="session")
def golden(bundle):
    """The golden cases of the notebook's bundle by file."""
    return {
        case.file: case for case in cvae.bundle.parse_golden((bundle / "golden.json").read_bytes(), "golden.json").cases
    }


@pytest.fixture(scope="session")
def with_packages():
    """This process's environment variables, with the packages of this tree first on the import path."""
    folders = [*(str(ROOT / folder) for folder in ("runtime", "train", "export")), os.environ.get("PYTHONPATH")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}


@pytest.fixture
def run_example(tmp_path, with_packages):
    """Return a function that runs a program of examples/ like a user, with warnings as errors."""

    def run(program, *arguments, **options):
        command = [sys.executable, "-W", "error", EXAMPLES / program, *map(str, arguments)]
        settings = {"env": with_packages, "cwd": tmp_path, "capture_output": True, "text": True}
        return subprocess.run(command, check=False, **(settings | options))

    return run


@pytest.fixture(scope="module")
def service():
    """The package of the FastAPI service."""
    pytest.importorskip("fastapi", reason="the package fastapi is not installed")
    pytest.importorskip("multipart", reason="the package python-multipart is not installed")
    sys.path.insert(0, str(EXAMPLES / "fastapi_service"))
    import cvae_service

    yield cvae_service
    sys.path.remove(str(EXAMPLES / "fastapi_service"))


@pytest.fixture
def ask(service, monkeypatch):
    """Return a function that creates a service with these settings and runs a coroutine with its client."""
    httpx = pytest.importorskip("httpx", reason="the package httpx is not installed")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # the service changes it for the process

    def ask(conversation, **settings):
        async def run():
            app = service.create_app(service.Settings(**({"bundle": str(NOTEBOOK)} | settings)))
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                try:
                    return await conversation(client, app)
                finally:
                    await app.state.engine.close()  # httpx does not run the shutdown

        return asyncio.run(run())

    return ask


@pytest.fixture
def get(ask):
    """Return a function that sends one GET request and returns the response."""

    def get(url, headers=None, **settings):
        return ask(lambda client, _: client.get(url, headers=headers), **settings)

    return get


@pytest.fixture
def post(ask):
    def post(url, *files, **settings):
        uploads = [("images", (f"{index}.png", data)) for index, data in enumerate(files)]
        return ask(lambda client, _: client.post(url, files=uploads), **settings)

    return post


@pytest.fixture
def serve(with_packages):
    """Return a function that starts the service on a free port and returns its process and address."""
    processes = []

    def serve(**settings):
        variables = {
            f"CVAE_{name.upper()}": str(value)
            for name, value in ({"bundle": NOTEBOOK} | settings | {"port": 0}).items()
        }
        process = subprocess.Popen(
            SERVICE, cwd=SERVICE_FOLDER, env=with_packages | variables, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"Uvicorn running on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail("".join(lines))
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would block the service
        return process, found[1]

    yield serve
    for process in processes:
        process.kill()
        process.wait()
        process.stderr.close()
