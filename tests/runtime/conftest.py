"""Fixtures of the runtime's tests: the packaged bundle, and a tiny bundle whose outputs NumPy can compute."""

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import cvae_runtime as cvae
import cvae_runtime.bundle
import cvae_runtime.random
from benchmarks._notebook import BUNDLE as NOTEBOOK
from cvae_runtime import cli
from cvae_runtime._commands import encode as _cli_encode
from cvae_runtime._commands import generate as _cli_generate

SHAPE, LATENT, BINARIZE_AT = (4, 4, 1), 3, 128
ENCODER_IO = ([("images", "uint8", ("batch", *SHAPE))], [(n, "float32", ("batch", LATENT)) for n in ("mean", "logvar")])
DECODER_IO = ([("z", "float32", ("batch", LATENT))], [("probs", "float32", ("batch", *SHAPE))])
COMPONENTS = 2
MIXTURE_IO = (
    DECODER_IO[0],
    [
        *DECODER_IO[1],
        *((n, "float32", ("batch", *SHAPE, COMPONENTS)) for n in ("location", "log_scale", "mixture_logits")),
    ],
)
LABELS, LABEL = ("2", "10", "x"), ("label", "int64", ("batch",))  # of the tiny model with labels
LOGISTIC_IO = (DECODER_IO[0], [(name, "float32", ("batch", *SHAPE)) for name in ("probs", "log_scale")])


class Tiny:
    """A linear encoder and decoder of 4x4 images with 3 latents, in ONNX and in NumPy."""

    image_shape, latent_dim, binarize_at, labels = SHAPE, LATENT, BINARIZE_AT, LABELS

    def __init__(self):
        rng = np.random.default_rng(5)
        self.encoder_weights = rng.normal(0.0, 0.3, (16, 2 * LATENT)).astype(np.float32)
        self.decoder_weights = rng.normal(0.0, 1.5, (LATENT, 16)).astype(np.float32)
        self.images = rng.integers(0, 256, (11, *SHAPE), np.uint8)
        # Of the model with labels: what each class, and "no label" at the end, adds to the outputs of the others.
        self.encoder_shift = rng.normal(0.0, 0.5, (len(LABELS) + 1, 2 * LATENT)).astype(np.float32)
        self.decoder_shift = rng.normal(0.0, 0.7, (len(LABELS) + 1, 16)).astype(np.float32)

    def encode(self, images, labels=None):
        pixels = (images.reshape(len(images), 16) >= BINARIZE_AT).astype(np.float32)
        shift = 0.0 if labels is None else self.encoder_shift[labels]
        return np.split(pixels @ self.encoder_weights + shift, 2, axis=1)

    def decode(self, z, labels=None):
        logits = z.astype(np.float64) @ self.decoder_weights + (0.0 if labels is None else self.decoder_shift[labels])
        return (1.0 / (1.0 + np.exp(-logits))).reshape(-1, *SHAPE)

    def labelled_encoder(self):
        nodes = [
            helper.make_node("Cast", ["images"], ["levels"], to=TensorProto.FLOAT),
            helper.make_node("GreaterOrEqual", ["levels", "threshold"], ["on"]),
            helper.make_node("Cast", ["on"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["pixels"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["product"]),
            helper.make_node("Gather", ["shifts", "label"], ["shift"]),
            helper.make_node("Add", ["product", "shift"], ["both"]),
            helper.make_node("Split", ["both"], ["mean", "logvar"], axis=1),
        ]
        constants = {"weights": self.encoder_weights, "shifts": self.encoder_shift}
        return make_graph(nodes, *with_label(ENCODER_IO), **constants, threshold=np.float32(BINARIZE_AT))

    def labelled_decoder(self):
        nodes = [
            helper.make_node("MatMul", ["z", "weights"], ["product"]),
            helper.make_node("Gather", ["shifts", "label"], ["shift"]),
            helper.make_node("Add", ["product", "shift"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["probs"]),
        ]
        constants = {"weights": self.decoder_weights, "shifts": self.decoder_shift, "shape": np.array([-1, *SHAPE])}
        return make_graph(nodes, *with_label(DECODER_IO), **constants)

    def encoder(self):
        nodes = [
            helper.make_node("Cast", ["images"], ["levels"], to=TensorProto.FLOAT),
            helper.make_node("GreaterOrEqual", ["levels", "threshold"], ["on"]),
            helper.make_node("Cast", ["on"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["pixels"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["both"]),
            helper.make_node("Split", ["both"], ["mean", "logvar"], axis=1),
        ]
        return make_graph(nodes, *ENCODER_IO, weights=self.encoder_weights, threshold=np.float32(BINARIZE_AT))

    def decoder(self):
        nodes = [
            helper.make_node("MatMul", ["z", "weights"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["probs"]),
        ]
        return make_graph(nodes, *DECODER_IO, weights=self.decoder_weights, shape=np.array([-1, *SHAPE]))

    def log_scale(self, z):
        return (z.astype(np.float64) @ self.decoder_weights / 4.0 - 2.0).reshape(-1, *SHAPE)

    def logistic_decoder(self):
        nodes = [
            helper.make_node("MatMul", ["z", "weights"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["probs"]),
            helper.make_node("Mul", ["logits", "quarter"], ["smaller"]),
            helper.make_node("Sub", ["smaller", "two"], ["flat_scale"]),
            helper.make_node("Reshape", ["flat_scale", "shape"], ["log_scale"]),
        ]
        numbers = {"quarter": np.float32(0.25), "two": np.float32(2.0)}
        return make_graph(nodes, *LOGISTIC_IO, weights=self.decoder_weights, shape=np.array([-1, *SHAPE]), **numbers)

    # Factors and offsets of the logits, for each component's location, log_scale and mixture_logit.
    _mixture = np.float32([[[0.3, -2.0], [-0.5, 1.5]], [[0.2, 0.1], [-3.0, -4.0]], [[1.0, -1.0], [0.5, 0.0]]])

    def mixture(self, z):
        logits = (z.astype(np.float64) @ self.decoder_weights).reshape(-1, *SHAPE, 1)
        return [logits * factor + summand for factor, summand in self._mixture]

    def mixture_decoder(self):
        nodes = [
            helper.make_node("MatMul", ["z", "weights"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["probs"]),
            helper.make_node("Reshape", ["logits", "singly"], ["single"]),
        ]
        numbers = {"shape": np.array([-1, *SHAPE]), "singly": np.array([-1, *SHAPE, 1])}
        for (name, *_), (factor, summand) in zip(MIXTURE_IO[1][1:], self._mixture, strict=True):
            nodes.append(helper.make_node("Mul", ["single", f"{name}_factor"], [f"{name}_product"]))
            nodes.append(helper.make_node("Add", [f"{name}_product", f"{name}_summand"], [name]))
            numbers |= {f"{name}_factor": factor, f"{name}_summand": summand}
        return make_graph(nodes, *MIXTURE_IO, weights=self.decoder_weights, **numbers)


def with_label(tensors):
    """Inputs and outputs of a graph, with the input ``label``."""
    inputs, outputs = tensors
    return [*inputs, LABEL], outputs


def make_graph(nodes, inputs, outputs, **constants):
    """Return an ONNX file; inputs and outputs are (name, dtype, shape) each."""
    infos = [
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.dtype(d)), s) for n, d, s in tensors]
        for tensors in (inputs, outputs)
    ]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", *infos, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def graph_info(data, file, role, inputs, outputs, target="portable", precision="float32"):
    tensors = [tuple(cvae.bundle.TensorInfo(*tensor) for tensor in side) for side in (inputs, outputs)]
    digest = hashlib.sha256(data).hexdigest()
    verified = cvae.bundle.Verified({tensor.name: 1e-6 for tensor in tensors[1]}, None, None)
    return cvae.bundle.GraphInfo(role, target, precision, file, len(data), digest, 15, 8, ("Fold",), *tensors, verified)


class Bundles:
    """Writes tiny bundles."""

    make_graph, graph_info = staticmethod(make_graph), staticmethod(graph_info)
    encoder_io, decoder_io, logistic_io, mixture_io = ENCODER_IO, DECODER_IO, LOGISTIC_IO, MIXTURE_IO

    def __init__(self, tiny):
        self._tiny = tiny

    def manifest(self, golden=b'{"cases": [], "rng": []}\n', encoder=None, decoder=None, **model):
        info = cvae.bundle.ModelInfo(
            SHAPE, LATENT, (), "bernoulli", cvae.bundle.Preprocessing(255, BINARIZE_AT), cvae.random.RNG_NAME
        )
        graphs = (
            graph_info(encoder or self._encoder(**model), "encoder.onnx", "encoder", *self._encoder_io(**model)),
            graph_info(decoder or self._decoder(**model), "decoder.onnx", "decoder", *self._decoder_io(**model)),
        )
        golden_info = cvae.bundle.FileInfo("golden.json", len(golden), hashlib.sha256(golden).hexdigest())
        training = cvae.bundle.Training({"epochs": 1}, "noise", 11, -9.5, 0.25)
        return cvae.bundle.Manifest(
            dataclasses.replace(info, **model), training, graphs, golden_info, {"numpy": "2.0.0"}
        )

    def write(self, folder, golden=b'{"cases": [], "rng": []}\n', encoder=None, decoder=None, **model):
        """Write a bundle with a correct manifest; ``model`` replaces fields of the manifest's model."""
        encoder, decoder = encoder or self._encoder(**model), decoder or self._decoder(**model)
        files = {"encoder.onnx": encoder, "decoder.onnx": decoder, "golden.json": golden}
        text = self.manifest(golden, encoder, decoder, **model).to_json().encode()
        folder.mkdir(exist_ok=True)
        for name, data in {**files, cvae.bundle.MANIFEST_NAME: text}.items():
            (folder / name).write_bytes(data)
        return folder

    def _encoder(self, labels=None, **_):
        return self._tiny.encoder() if labels is None else self._tiny.labelled_encoder()

    def _encoder_io(self, labels=None, **_):
        return ENCODER_IO if labels is None else with_label(ENCODER_IO)

    def _decoder(self, likelihood="bernoulli", labels=None, **_):
        if labels is not None:
            return self._tiny.labelled_decoder()
        decoders = {
            "discretized-logistic": self._tiny.logistic_decoder,
            "discretized-logistic-mixture": self._tiny.mixture_decoder,
        }
        return decoders.get(likelihood, self._tiny.decoder)()

    def _decoder_io(self, likelihood="bernoulli", labels=None, **_):
        if labels is not None:
            return with_label(DECODER_IO)
        return {"discretized-logistic": LOGISTIC_IO, "discretized-logistic-mixture": MIXTURE_IO}.get(
            likelihood, DECODER_IO
        )

    def edit(self, folder, change):
        """Apply ``change`` to the parsed JSON of a bundle's manifest, and write it."""
        value = json.loads((folder / cvae.bundle.MANIFEST_NAME).read_text())
        change(value)
        (folder / cvae.bundle.MANIFEST_NAME).write_text(json.dumps(value))


@pytest.fixture(scope="session")
def tiny():
    return Tiny()


@pytest.fixture(scope="session")
def bundles(tiny):
    return Bundles(tiny)


@pytest.fixture
def tiny_bundle(bundles, tmp_path):
    return bundles.write(tmp_path / "tiny")


@pytest.fixture(scope="session")
def tiny_model(bundles, tmp_path_factory):
    with cvae.load(bundles.write(tmp_path_factory.mktemp("bundles") / "tiny"), provider="cpu", threads=2) as model:
        yield model


@pytest.fixture
def labelled_bundle(bundles, tmp_path):
    return bundles.write(tmp_path / "labelled", labels=LABELS)


@pytest.fixture(scope="session")
def labelled_model(bundles, tmp_path_factory):
    folder = bundles.write(tmp_path_factory.mktemp("bundles") / "labelled", labels=LABELS)
    with cvae.load(folder, provider="cpu", threads=2) as model:
        yield model


@pytest.fixture(scope="session")
def packaged_model():
    with cvae.load(provider="cpu", threads=2) as model:
        yield model


@pytest.fixture(scope="session")
def notebook_model():
    """The notebook's network, which has graphs for CPUs and in int8, and neither labels nor a learned prior."""
    with cvae.load(NOTEBOOK, provider="cpu", threads=2) as model:
        yield model


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """Return a folder for property tests, which cannot use ``tmp_path``."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="session")
def refuses():
    """Return a context manager: ``with refuses(Error, "whole message"):`` checks that the block raises this error."""

    @contextlib.contextmanager
    def refuses(kind, message):
        with pytest.raises(cvae.CvaeError) as caught:
            yield
        assert (type(caught.value), str(caught.value)) == (kind, message)

    return refuses


@pytest.fixture
def run_as(tmp_path, monkeypatch, capsysbinary):
    """Run a command as a console script in an empty folder; return exit code, stdout as bytes, stderr as text."""
    monkeypatch.chdir(tmp_path)
    # "auto" runs on the CPU, and CUDA is missing, on every machine.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)  # or click says "python -m pytest"

    def run_as(command, name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.run(command)
        out, err = capsysbinary.readouterr()
        return caught.value.code, out, err.decode()

    return run_as


@pytest.fixture
def run(run_as):
    """Run ``cvae-generate``."""
    return functools.partial(run_as, _cli_generate.command, "cvae-generate")


@pytest.fixture
def array(run):
    """Run ``cvae-generate`` and return the array it writes to stdout."""

    def array(*arguments):
        code, out, err = run(*arguments, "--format", "npy", "-o", "-")
        assert (code, err) == (0, "")
        return np.lib.format.read_array(io.BytesIO(out))

    return array


@pytest.fixture
def encode(run_as):
    """Run ``cvae-encode``."""
    return functools.partial(run_as, _cli_encode.command, "cvae-encode")


@pytest.fixture
def python(fresh_python, tmp_path, monkeypatch):
    """Run a program in a process of its own, in `tmp_path`: its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def python(program, *arguments):
        result = fresh_python(program, *arguments)
        return result.returncode, result.stdout, result.stderr

    return python
