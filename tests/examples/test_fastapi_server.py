"""The service as a separate process, with clients over the network."""

import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cvae_runtime as cvae
from tests.examples.conftest import SERVICE, SERVICE_FOLDER
from tests.examples.service_answers import array_of, digits, png
from tests.waits import PATIENCE

pytest.importorskip("fastapi", reason="the package fastapi is not installed")
pytest.importorskip("uvicorn", reason="the package uvicorn is not installed")
httpx = pytest.importorskip("httpx", reason="the package httpx is not installed")


def test_batched_requests_get_the_same_answers(serve, model):
    _, address = serve(max_count=4000)
    image = digits(model, 1)[0]
    with httpx.Client(base_url=address, timeout=PATIENCE) as client, ThreadPoolExecutor(32) as pool:
        # The other requests arrive while the first is decoded.
        first = pool.submit(client.get, "/sample?count=4000&format=json")
        asked = [{"count": 1 + index % 5, "seed": index, "first": index} for index in range(60)]
        samples = list(pool.map(lambda one: client.get("/sample", params=one | {"format": "json"}), asked))
        files = [("images", ("digit.png", png(image)))]
        scores = list(pool.map(lambda seed: client.post(f"/score?seed={seed}", files=files), range(20)))
        counts = client.get("/healthz").json()
    np.testing.assert_allclose(array_of(first.result()), model.generate(4000), rtol=0, atol=1e-6)
    for one, answer in zip(asked, samples, strict=True):
        np.testing.assert_allclose(array_of(answer), model.generate(**one), rtol=0, atol=1e-6)
    for seed, answer in enumerate(scores):
        np.testing.assert_allclose(answer.json()["elbo"], model.score(image[None], seed=seed).elbo, rtol=1e-6)
    assert (counts["encoder"]["requests"], counts["decoder"]["requests"]) == (20, 81)
    assert counts["decoder"]["calls"] < 60


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_shutdown_answers_running_requests(serve, model):
    process, address = serve(max_count=8000)
    with httpx.Client(base_url=address, timeout=PATIENCE) as client, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get, "/sample?count=8000&seed=1&format=json")
        with httpx.Client(base_url=address, timeout=PATIENCE) as other:
            while other.get("/healthz").json()["decoder"]["requests"] == 0:
                pass
        process.send_signal(signal.SIGTERM)
        np.testing.assert_allclose(array_of(answer.result())[:10], model.generate(10, seed=1), rtol=0, atol=1e-6)
    assert process.wait(PATIENCE) in (0, -signal.SIGTERM)
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        (
            {"CVAE_BUNDLE": "nowhere"},
            cvae.BundleError.exit_code,
            "nowhere: expected a bundle, a folder with manifest.json, found nothing; cvae-export makes one",
        ),
        ({"CVAE_PORT": "70000"}, 1, "CVAE_PORT must be a whole number of at most 65535; found 70000"),
        ({"CVAE_PORT": "http"}, 1, "CVAE_PORT must be a whole number; found 'http'"),
        ({"CVAE_PRECISION": "int4"}, 1, "precision must be one of float32, float16, int8; found 'int4'"),
    ],
)
def test_startup_errors(with_packages, settings, code, message):
    result = subprocess.run(
        SERVICE, cwd=SERVICE_FOLDER, env=with_packages | settings, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (code, "", f"Error: {message}\n")


def test_requirements():
    lines = (SERVICE_FOLDER / "requirements.txt").read_text().splitlines()
    assert [re.split("[>[]", line)[0] for line in lines] == ["cvae-toolkit", "fastapi", "python-multipart", "uvicorn"]
