"""The service's answers through its ASGI interface; test_fastapi_server.py runs it as a process."""

import struct
import zlib
from urllib.parse import quote

import numpy as np
import pytest

import cvae_runtime as cvae
import cvae_runtime.images
from benchmarks._notebook import BUNDLE as NOTEBOOK
from tests.examples.conftest import LABELS
from tests.examples.service_answers import array_of, digits, error_of, picture_of, png


def test_samples_match_the_runtime(get, model):
    expected = model.generate(5, seed=2**64 - 1, first=7, temperature=0.5)
    url = f"/sample?count=5&seed={2**64 - 1}&first=7&temperature=0.5"
    np.testing.assert_allclose(array_of(get(url + "&format=json")), expected, rtol=0, atol=1e-6)
    grid = cvae.image_grid(cvae.to_uint8(expected))[..., 0]
    assert np.abs(picture_of(get(url)).astype(int) - grid).max() <= 1


def test_single_sample_has_no_frame(get, model):
    levels = picture_of(get("/sample?count=1&seed=4"))
    assert np.abs(levels.astype(int) - cvae.to_uint8(model.generate(1, seed=4))[0, ..., 0]).max() <= 1


def test_reconstructions_match_the_runtime(post, model):
    images = digits(model, 3)
    files = [png(image) for image in images]
    found = array_of(post("/reconstruct?format=json", *files))
    np.testing.assert_allclose(found, model.reconstruct(images), rtol=0, atol=1e-6)
    drawn = array_of(post("/reconstruct?format=json&sample=true&seed=5&first=2", *files))
    np.testing.assert_allclose(drawn, model.reconstruct(images, sample=True, seed=5, first=2), rtol=0, atol=1e-6)
    assert np.abs(drawn - found).max() > 1e-2


def test_scores_match_the_runtime(post, model):
    images = digits(model, 3)
    answer = post("/score?samples=20&seed=8&first=1", *(png(image) for image in images))
    expected = model.score(images, samples=20, seed=8, first=1)
    assert (answer.status_code, sorted(answer.json())) == (200, ["elbo", "iw_bound", "kl", "reconstruction"])
    for name, values in answer.json().items():
        np.testing.assert_allclose(values, getattr(expected, name), rtol=1e-6)


def test_learned_prior_matches_the_runtime(get, post, prior_bundle, prior_model):
    expected = prior_model.generate(5, seed=7, first=2, temperature=0.5)
    found = array_of(get("/sample?count=5&seed=7&first=2&temperature=0.5&format=json", bundle=str(prior_bundle)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    plain = prior_model.decode(cvae.prior_latents(7, 2, 5, 3) * np.float32(0.5))
    assert np.abs(found - plain).max() > 1e-3
    images = digits(prior_model, 3)
    answer = post("/score?samples=20&seed=8", *map(png, images), bundle=str(prior_bundle)).json()
    scores = prior_model.score(images, samples=20, seed=8)
    for name, values in answer.items():
        np.testing.assert_allclose(values, getattr(scores, name), rtol=1e-6)


@pytest.mark.parametrize("label", [None, *LABELS])
def test_labels_match_the_runtime(get, post, labelled_bundle, labelled_model, label):
    query, bundle = ("" if label is None else f"&label={quote(label)}"), str(labelled_bundle)
    expected = labelled_model.generate(5, seed=7, label=label)
    found = array_of(get(f"/sample?count=5&seed=7&format=json{query}", bundle=bundle))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())
    others = [labelled_model.generate(5, seed=7, label=other) for other in {None, *LABELS} - {label}]
    assert min(np.abs(found - other).max() for other in others) > 1e-3
    images = digits(labelled_model, 3)
    files = [png(image) for image in images]
    for url, sample in (("/reconstruct?format=json", False), ("/reconstruct?format=json&seed=5&sample=true", True)):
        again = labelled_model.reconstruct(images, sample=sample, seed=5, label=label)
        np.testing.assert_allclose(array_of(post(url + query, *files, bundle=bundle)), again, rtol=0, atol=1e-5)
    answer = post(f"/score?samples=20&seed=8{query}", *files, bundle=bundle)
    scores = labelled_model.score(images, samples=20, seed=8, label=label)
    for name, values in answer.json().items():
        np.testing.assert_allclose(values, getattr(scores, name), rtol=1e-5)


@pytest.mark.parametrize("label", [None, "7"])
def test_labels_with_a_normal_prior_match_the_runtime(post, normal_bundle, label):
    with cvae.load(normal_bundle, provider="cpu") as model:
        images = digits(model, 3)
        scores = model.score(images, samples=20, seed=8, label=label)
    query = "" if label is None else f"&label={label}"
    answer = post(f"/score?samples=20&seed=8{query}", *map(png, images), bundle=str(normal_bundle))
    for name, values in answer.json().items():
        np.testing.assert_allclose(values, getattr(scores, name), rtol=1e-5)


def test_wrong_labels(get, post, model, labelled_bundle, labelled_model):
    unknown = "label must be one of the labels that GET /healthz lists; found '8'"
    bundle = str(labelled_bundle)
    assert error_of(get("/sample?label=8", bundle=bundle)) == (400, unknown)
    digit = png(digits(labelled_model, 1)[0])
    assert error_of(post("/reconstruct?label=8", digit, bundle=bundle)) == (400, unknown)
    assert error_of(post("/score?label=8", digit, bundle=bundle)) == (400, unknown)
    empty = error_of(get("/sample?label=", bundle=bundle))
    assert empty == (400, "label must be one of the labels that GET /healthz lists; found ''")
    none = "label must be absent, because the model has no labels; found '7'"
    assert error_of(get("/sample?label=7")) == (400, none)
    assert error_of(post("/score?label=7", png(digits(model, 1)[0]))) == (400, none)
    assert get("/healthz", bundle=bundle).json()["labels"] == list(LABELS)
    assert get("/healthz").json()["labels"] is None


def test_later_format_is_refused(service, later_bundle):
    with pytest.raises(cvae.BundleError, match="expected format 1 or 2, found 3"):
        service.create_app(service.Settings(bundle=str(later_bundle)))


def test_pictures_are_changed_only_on_request(post, model):
    digit = digits(model, 1)[0]
    colour = np.stack([255 - digit.repeat(2, 0).repeat(2, 1)] * 3, axis=-1)
    file = png(colour)
    again = picture_of(post("/reconstruct?resize=true&grey=true&invert=true", file))
    expected = np.bitwise_not(cvae.images.fit_image(colour, (28, 28, 1)))
    assert np.abs(again.astype(int) - cvae.to_uint8(model.reconstruct(expected[None]))[0, ..., 0]).max() <= 1
    assert error_of(post("/score", file)) == (
        400,
        "0.png: the model takes grey images, found colour; add grey=true to turn it grey",
    )
    assert error_of(post("/score?grey=true", file)) == (
        400,
        "0.png: the model takes 28x28 pixels (width x height), found 56x56; add resize=true to scale and crop it",
    )


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "image/png"),
        ("application/json", "application/json"),
        ("text/html,application/xml;q=0.9,image/avif,*/*;q=0.8", "image/png"),
        ("image/*;q=0.2, application/json;q=0.5", "application/json"),
        ("image/png;q=0, */*;q=0.1", "application/json"),
    ],
)
def test_accept_header(get, accept, media_type):
    answer = get("/sample?count=1", {"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert get("/sample?count=1&format=png", {"Accept": accept}).headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("url", "status", "error"),
    [
        ("/sample?count=300", 413, "count must be at most 256; found 300: ask for less at a time"),
        ("/sample?count=0", 422, "query count: Input should be greater than or equal to 1"),
        ("/sample?seed=-1", 422, "query seed: Input should be greater than or equal to 0"),
        ("/sample?seed=18446744073709551616", 422, "query seed: Input should be less than 18446744073709551616"),
        (
            "/sample?first=9223372036854775807",
            400,
            "first + count must be at most 368934881474191032 for latents of 50; found 9223372036854775807 + 16",
        ),
        ("/sample?temperature=nan", 422, "query temperature: Input should be a finite number"),
        ("/sample?temperature=-1", 422, "query temperature: Input should be greater than or equal to 0"),
        ("/sample?format=gif", 422, "query format: Input should be 'png' or 'json'"),
        ("/samples", 404, "Not Found"),
        ("/score", 405, "Method Not Allowed"),
    ],
)
def test_invalid_requests(get, url, status, error):
    assert error_of(get(url)) == (status, error)


def test_unavailable_formats(get, post, model):
    answer = get("/sample", {"Accept": "text/html"})
    assert error_of(answer) == (406, "this answer comes as image/png or application/json")
    answer = get("/sample", {"Accept": "image/png;q=high"})
    assert error_of(answer) == (400, "the Accept header has a quality that is no number: 'high'")
    answer = post("/score?format=png", png(digits(model, 1)[0]))
    assert error_of(answer) == (406, "this answer comes as application/json")


def bomb(width, height):
    """The header and a few bytes of a PNG that claims to be large."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_hostile_uploads_are_refused(post):
    assert error_of(post("/score?resize=true", bomb(2500, 2000))) == (
        400,
        "0.png: expected at most 4,000,000 pixels, found 2500x2000 (width x height); make the image smaller",
    )
    status, error = error_of(post("/score?resize=true", bomb(60_000, 60_000)))
    assert (status, error.split(",")[0]) == (
        400,
        "0.png: cannot be read as an image: Image size (3600000000 pixels) exceeds limit of 8000000 pixels",
    )
    found = error_of(post("/score", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n"))
    assert found == (400, "0.png: expected a picture, PNG, JPEG, GIF, BMP, WebP; found something else")
    status, error = error_of(post("/score", bomb(28, 28)[:45]))
    assert (status, error.startswith("0.png: cannot be read as an image: ")) == (400, True)
    assert error_of(post("/score", bomb(28, 28), bytes(3000), max_upload=2000)) == (
        413,
        "a request's body must have at most 2,000 bytes; send less at a time",
    )


def test_chunked_body_is_limited(ask):
    sent = []

    async def body():
        yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
        for _ in range(100):
            sent.append(1000)
            yield bytes(1000)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = ask(lambda client, _: client.post("/score", content=body(), headers=headers), max_upload=5000)
    assert error_of(answer) == (413, "a request's body must have at most 5,000 bytes; send less at a time")
    assert sum(sent) <= 8000  # parts that were sent before the response arrived


def test_limits_of_pictures_and_draws(post, model):
    files = [png(image) for image in digits(model, 3)]
    answer = post("/score", *files, max_count=2)
    assert error_of(answer) == (413, "images must be at most 2; found 3: ask for less at a time")
    answer = post("/score?samples=5", *files, max_draws=14)
    assert error_of(answer) == (413, "images times samples must be at most 14; found 15: ask for less at a time")
    assert error_of(post("/score")) == (422, "body images: Field required")


def test_healthz(get, model):
    found = get("/healthz", max_count=3).json()
    assert {key: found[key] for key in ("status", "bundle", "provider", "threads")} == {
        "status": "ok",
        "bundle": model.sha256,
        "provider": "cpu",
        "threads": model.threads,
    }
    assert found["limits"]["max_count"] == 3
    assert found["decoder"] == {"requests": 0, "calls": 0}


def test_settings_come_from_the_environment(service):
    of = service.Settings.of_environment
    assert of({"PATH": "/bin"}) == service.Settings()
    assert of({"CVAE_THREADS": "3", "CVAE_BUNDLE": "here"}) == service.Settings(threads=3, bundle="here")
    names = (
        "CVAE_BUNDLE, CVAE_PROVIDER, CVAE_PRECISION, CVAE_THREADS, CVAE_MAX_COUNT, CVAE_MAX_DRAWS, CVAE_MAX_UPLOAD, "
        "CVAE_MAX_PIXELS, CVAE_MAX_DECODING, CVAE_MAX_WAITING, CVAE_MAX_CONNECTIONS, CVAE_BODY_SECONDS, "
        "CVAE_GRACE_SECONDS, CVAE_HOST, CVAE_PORT"
    )
    for environment, message in (
        ({"CVAE_MAX_COUNT": "many"}, "CVAE_MAX_COUNT must be a whole number; found 'many'"),
        ({"CVAE_MAX_COUNT": "0"}, "CVAE_MAX_COUNT must be a whole number of at least 1; found 0"),
        ({"CVAE_THREADS": "-1"}, "CVAE_THREADS must be a whole number of at least 0; found -1"),
        ({"CVAE_MAXCOUNT": "5"}, f"CVAE_MAXCOUNT is no setting; there are {names}"),
    ):
        with pytest.raises(cvae.InputError) as caught:
            of(environment)
        assert str(caught.value) == message


@pytest.fixture(scope="module")
def calibrated(model, tmp_path_factory):
    """The notebook's bundle with a detector, calibrated on samples."""
    from cvae_export import calibrate

    folder = tmp_path_factory.mktemp("calibrated")
    np.save(folder / "good.npy", model.generate(29, seed=3, dtype="uint8"))
    calibrate(
        NOTEBOOK,
        folder / "good.npy",
        folder / "new",
        false_alarms=0.05,
        score="elbo",
        draws=2,
        quiet=True,
    )
    return folder / "new"


def test_detections_match_the_runtime(post, model, calibrated):
    images = digits(model, 3)
    images[1] = 255 - images[1]
    files = [png(image) for image in images]
    with cvae.load(calibrated, provider="cpu") as detector:
        expected = detector.detect(images)
    found = post("/detect", *files, bundle=str(calibrated)).json()
    assert sorted(found) == ["alarm", "box", "p_value", "score"]
    assert (found["alarm"], found["p_value"]) == (expected.alarm.tolist(), expected.p_value.tolist())
    np.testing.assert_allclose(found["score"], expected.score, rtol=1e-6)
    assert found["box"] == [None if box is None else list(box) for box in expected.boxes()]
    assert found["alarm"][1]
    assert post("/detect?format=png", *files, bundle=str(calibrated)).headers["content-type"] == "image/png"


def test_detection_needs_a_detector(post, model):
    answer = post("/detect", png(digits(model, 1)[0]))
    assert error_of(answer) == (400, "the bundle has no detector; serve one that cvae-calibrate wrote")
