"""Harmful clients: they must not affect others, tested over the network."""

import json
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.elbo
from benchmarks._notebook import BUNDLE as NOTEBOOK
from tests.examples.conftest import SERVICE, SERVICE_FOLDER
from tests.examples.service_answers import array_of, digits, error_of, png
from tests.waits import PATIENCE, wait_until

pytest.importorskip("fastapi", reason="the package fastapi is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the package uvicorn is not installed")
httpx = pytest.importorskip("httpx", reason="the package httpx is not installed")


class Live:
    """The service in a thread of this process."""

    def __init__(self, app):
        self.engine = app.state.engine
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, http="h11", log_config=None))
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        wait_until(lambda: self.server.started)
        self.place = self.server.servers[0].sockets[0].getsockname()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.place[1]}", timeout=PATIENCE)

    def close(self):
        self.client.close()
        self.server.should_exit = True
        self.thread.join(PATIENCE)

    def send(self, method, url, headers=(), body=b"", length=None):
        """Send a request and return the socket for the response."""
        return send(self.place, method, url, headers, body, length)


def send(place, method, url, headers=(), body=b"", length=None):
    connection = socket.create_connection(place, PATIENCE)
    size = len(body) if length is None else length
    lines = [f"{method} {url} HTTP/1.1", "Host: service", f"Content-Length: {size}", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)
    return connection


def answer_on(connection):
    """The status and the error of a response; ignores what follows."""
    text = b""
    while not re.search(rb"\r\n\r\n\{.*\}", text):
        part = connection.recv(65536)
        assert part, text
        text += part
    return int(text.split()[1]), json.loads(text[text.index(b"{") :])["error"]


FORM = ["Content-Type: multipart/form-data; boundary=x"]


def form(*files):
    head = '--x\r\nContent-Disposition: form-data; name="images"; filename="{}.png"\r\n\r\n'
    return b"".join(head.format(n).encode() + data + b"\r\n" for n, data in enumerate(files)) + b"--x--\r\n"


@pytest.fixture
def live(service, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # the service changes it for the process
    begun = []

    def start(**settings):
        begun.append(Live(service.create_app(service.Settings(**({"bundle": str(NOTEBOOK)} | settings)))))
        return begun[-1]

    yield start
    for one in begun:
        one.close()


class Gate:
    """A function that blocks until it is opened, and records its arguments."""

    def __init__(self, function):
        self.function, self.calls, self.open = function, [], threading.Event()

    def __call__(self, *arguments, **options):
        self.calls.append(arguments)
        assert self.open.wait(PATIENCE)
        return self.function(*arguments, **options)


def gate(holder, name, monkeypatch):
    made = Gate(getattr(holder, name))
    monkeypatch.setattr(holder, name, made)
    return made


def test_overflow_affects_only_its_client(live, model, monkeypatch):
    service = live()
    held = gate(service.engine.decoder, "_run", monkeypatch)
    asked = [
        {"count": 1, "seed": n, "format": "json"} | ({"temperature": 4e37} if n % 6 == 3 else {}) for n in range(30)
    ]
    with ThreadPoolExecutor(30) as pool:
        answers = [pool.submit(service.client.get, "/sample", params=one) for one in asked]
        wait_until(lambda: service.engine.decoder.requests == 30)
        held.open.set()
        for one, answer in zip(asked, answers, strict=True):
            if "temperature" in one:
                status, error = error_of(answer.result())
                assert (status, "use smaller latents or a lower temperature" in error) == (400, True)
            else:
                expected = model.generate(1, seed=one["seed"])
                np.testing.assert_allclose(array_of(answer.result()), expected, rtol=0, atol=1e-6)


def test_encoder_error_reaches_only_its_sender(live, model, monkeypatch):
    service = live()
    images = digits(model, 5)

    def encode(items):
        if (items == images[2][None, ..., None]).all((1, 2, 3)).any():
            raise cvae.BundleError("encoder.onnx: expected a finite mean, found NaN or infinity; export it again")
        return [model.encode(items).mean, model.encode(items).logvar]

    service.engine.encoder._run = encode
    held = gate(service.engine.encoder, "_run", monkeypatch)
    with ThreadPoolExecutor(5) as pool:
        sent = [pool.submit(service.client.post, "/score", files=[("images", ("a.png", png(i)))]) for i in images]
        wait_until(lambda: service.engine.encoder.requests == 5)
        held.open.set()
        answers = [one.result() for one in sent]
    assert [answer.status_code for answer in answers] == [200, 200, 500, 200, 200]
    assert error_of(answers[2])[1].startswith("encoder.onnx: expected a finite mean")


def test_decoding_is_limited_by_pixels(live, service, model, monkeypatch):
    held = gate(service.uploads, "read_upload", monkeypatch)
    running = live(max_decoding=6 * 28 * 28)
    digit = png(digits(model, 1)[0])
    files = [("images", ("a.png", digit))]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(running.client.post, "/score", files=files * 4)
        wait_until(lambda: held.calls)
        answer = running.client.post("/score", files=files * 3)
        assert error_of(answer) == (503, "3,136 pixels wait to be decoded; try again later")
        assert answer.headers["retry-after"] == "1"
        second = pool.submit(running.client.post, "/score", files=files * 2)
        assert running.client.get("/sample?count=1").status_code == 200
        answer = running.client.post("/score", files=files * 7)
        assert error_of(answer) == (
            413,
            "images must have at most 4,704 pixels together; found 5,488: send less at a time",
        )
        held.open.set()
        assert [len(one.result().json()["elbo"]) for one in (first, second)] == [4, 2]
    assert running.client.post("/score", files=files * 6).status_code == 200


def test_large_pictures_are_refused_by_header(live, service, monkeypatch):
    def read(*_, **__):
        pytest.fail("no picture may be decoded")

    monkeypatch.setattr(service.uploads, "read_upload", read)
    files = [("images", ("a.png", png(np.zeros((2000, 2000), np.uint8))))] * 256
    assert error_of(live().client.post("/score?resize=true", files=files)) == (
        413,
        "images must have at most 32,000,000 pixels together; found 1,024,000,000: send less at a time",
    )


def test_work_is_cancelled_on_disconnect(live, monkeypatch):
    service = live()
    held = gate(service.engine.decoder, "_run", monkeypatch)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(service.client.get, "/sample?count=1&format=json")
        wait_until(lambda: held.calls)
        leaving = service.send("GET", "/sample?count=200")
        wait_until(lambda: service.engine.decoder.requests == 2)
        last = pool.submit(service.client.get, "/sample?count=3&format=json")
        wait_until(lambda: service.engine.decoder.requests == 3)
        leaving.close()
        wait_until(lambda: any(asked.done() for _, asked in service.engine.decoder._waiting))
        held.open.set()
        assert [len(array_of(one.result())) for one in (first, last)] == [1, 3]
    assert [len(items) for (items,) in held.calls] == [1, 3]


def test_decoding_is_cancelled_on_disconnect(live, service, model, monkeypatch):
    held = gate(service.uploads, "read_upload", monkeypatch)
    running = live(max_decoding=4 * 28 * 28)
    digit = png(digits(model, 1)[0])
    leaving = running.send("POST", "/score", FORM, form(*[digit] * 4))
    wait_until(lambda: held.calls)
    leaving.close()
    wait_until(lambda: not running.server.server_state.connections)
    assert running.client.get("/nowhere").status_code == 404  # by now the server has cancelled the work
    held_back = {"files": [("images", ("a.png", digit))] * 4}
    held.open.set()
    # The pixels of the cancelled request no longer count.
    wait_until(lambda: running.client.post("/score", **held_back).status_code == 200)
    assert len(held.calls) == 1 + 4


def test_scoring_is_cancelled_on_disconnect(live, model, monkeypatch):
    running = live()
    held = gate(running.engine.decoder, "_run", monkeypatch)
    ended = threading.Event()
    score_images = cvae.elbo.score_images

    def scored(*arguments, **options):
        try:
            return score_images(*arguments, **options)
        finally:
            ended.set()

    monkeypatch.setattr(cvae.elbo, "score_images", scored)
    leaving = running.send("POST", "/score?samples=1000", FORM, form(*[png(image) for image in digits(model, 4)]))
    wait_until(lambda: held.calls)
    leaving.close()
    assert ended.wait(PATIENCE)  # even though the model has not answered
    held.open.set()
    assert running.client.get("/sample?count=1").status_code == 200
    assert len(held.calls) == 2


def test_stalled_upload_times_out(live, model):
    service = live(body_seconds=1)
    body = form(png(digits(model, 1)[0]))
    connection = service.send("POST", "/score", FORM, body[:100], len(body))
    assert answer_on(connection) == (408, "a request's body must come within 1 seconds; send less at a time")
    assert connection.recv(1) == b""
    connection.close()
    assert service.client.post("/score", content=body, headers=dict([FORM[0].split(": ")])).status_code == 200


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + bytes(2 << 20) + b"\r\n--x--\r\n",
            (400, "Part exceeded maximum size of 1024KB."),
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 1001 + b"--x--\r\n",
            (400, "Too many fields. Maximum number of fields is 1000."),
        ),
        (form(*[b""] * 1001), (400, "Too many files. Maximum number of files is 1000.")),
        (b"no form", (400, "Invalid multipart data.")),
    ],
    ids=["field", "fields", "files", "none"],
)
def test_excessive_forms_are_refused(live, body, answer):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert error_of(live().client.post("/score", content=body, headers=headers)) == answer


def test_endless_headers_are_refused(live):
    connection = live().send("GET", "/sample?count=1", ["X-Much: " + "a" * 200_000])
    assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    connection.close()


@pytest.mark.parametrize("path", ["/sample?count=1", "/healthz"])
def test_head(live, path):
    client = live().client
    whole, head = client.get(path), client.head(path)
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", whole.headers["content-type"])


def test_other_methods_are_refused(live):
    client = live().client
    assert error_of(client.options("/sample")) == (405, "Method Not Allowed")
    assert error_of(client.delete("/score")) == (405, "Method Not Allowed")
    assert client.head("/score").status_code == 405


def test_unexpected_error_text_is_not_sent(live):
    service = live()

    def broken(_):
        raise RuntimeError("a secret path")

    service.engine.decoder._run = broken
    assert error_of(service.client.get("/sample?count=1")) == (500, "the service failed; see its log")


def test_overflowing_posterior_draws(live, model):
    service = live()
    service.engine.encoder._run = lambda items: [
        np.zeros((len(items), model.latent_dim), np.float32),
        np.full((len(items), model.latent_dim), 1000.0, np.float32),
    ]
    answer = service.client.post("/reconstruct?sample=true", files=[("images", ("a.png", png(digits(model, 1)[0])))])
    assert error_of(answer) == (
        500,
        "the encoder's logvar is too large for a draw of float32; export the bundle again",
    )


def test_connection_limit(serve):
    _, address = serve(max_connections=4)
    place = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
    idle = [socket.create_connection(place, PATIENCE) for _ in range(4)]

    def status():
        with send(place, "GET", "/healthz", ["Connection: close"]) as connection:
            return int(connection.recv(65536).split()[1])

    wait_until(lambda: status() == 503)
    for connection in idle:
        connection.close()
    wait_until(lambda: status() == 200)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_sigterm_during_a_stalled_upload(serve):
    process, address = serve(grace_seconds=1, body_seconds=3600)
    place = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
    with send(place, "POST", "/score", FORM, b"--x\r\n", 1000) as connection:
        wait_until(lambda: httpx.get(f"{address}/healthz", timeout=PATIENCE).status_code == 200)
        process.terminate()
        assert answer_on(connection) == (503, "the service shuts down; ask again later")
        process.wait(PATIENCE)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_sigterm_while_a_client_does_not_read(serve):
    process, address = serve(grace_seconds=1, max_count=8000)
    place = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
    with send(place, "GET", "/sample?count=8000&format=json") as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        process.terminate()
        process.wait(PATIENCE)


def test_address_in_use(with_packages):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for settings, message in (
            ({"CVAE_PORT": str(taken.getsockname()[1])}, "address already in use"),
            ({"CVAE_HOST": "no such host"}, "not known"),
        ):
            variables = with_packages | settings
            done = subprocess.run(
                SERVICE, cwd=SERVICE_FOLDER, env=variables, capture_output=True, text=True, check=False
            )
            assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (1, True, False), (
                done.stderr
            )
