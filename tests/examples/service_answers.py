"""Decode responses of the service, and make requests."""

import base64
import io

import numpy as np
from PIL import Image

import cvae_runtime as cvae


def array_of(answer):
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found = answer.json()["images"]
    assert found["dtype"] == "float32"
    return np.frombuffer(base64.b64decode(found["data"]), "<f4").reshape(found["shape"])


def picture_of(answer):
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def error_of(answer):
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    return answer.status_code, answer.json()["error"]


def png(image, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", **options)
    return buffer.getvalue()


def digits(model, count):
    return cvae.to_uint8(model.generate(count, seed=99))[..., 0]
