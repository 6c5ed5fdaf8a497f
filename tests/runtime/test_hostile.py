"""Thousands of damaged bundles: each raises an error that names the file, or runs."""

import random
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import cvae_runtime as cvae
import cvae_runtime.bundle
from cvae_runtime._engine.session import CheckedSession
from scripts.torture import _damage
from scripts.torture import bundles as attack
from tests.bundle_files import replace_file


@pytest.fixture(scope="module")
def files(bundles, tiny, tmp_path_factory):
    z = cvae.prior_latents(0, 0, 2, tiny.latent_dim)
    case = cvae.bundle.GoldenCase("decoder.onnx", {"z": z}, {"probs": tiny.decode(z).astype(np.float32)}, 1e-5)
    golden = cvae.bundle.Golden((case,), (cvae.bundle.GoldenLatents(0, 0, *z.shape, z),)).to_json().encode()
    folder = bundles.write(tmp_path_factory.mktemp("whole") / "tiny", golden)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damaged(files, number, folder):
    folder = folder / "damaged"
    _damage.clear(folder)
    _damage.write_damaged(files, folder, random.Random(number))
    return folder


@settings(max_examples=400)
@given(number=st.integers(0, 2**32))
def test_a_damaged_bundle_runs_or_is_refused(number, files, scratch):
    assert attack.attempt(damaged(files, number, scratch)) in ("refused", "read")


@pytest.mark.parametrize("number", range(len(_damage.GRAPHS)))
def test_a_graph_that_parsers_read_differently(number, tmp_path):
    colour = shutil.copytree(Path(__file__).parents[1] / "golden" / "colour", tmp_path / "colour")
    changed = _damage.GRAPHS[number]((colour / "decoder.onnx").read_bytes())
    assert onnx.load_from_string(changed).graph.output[0].name == "probs"  # to onnx it is a model
    replace_file(colour, "decoder.onnx", changed)
    assert attack.attempt(colour, run=False) == "refused"


def test_a_whole_bundle_runs(tiny_bundle):
    assert attack.attempt(tiny_bundle) == "read"
    (tiny_bundle / "decoder.onnx").unlink()
    assert attack.attempt(tiny_bundle) == "refused"


def decoder_with(bundles, tmp_path, *nodes, **constants):
    """Write a bundle with any decoder, and a correct entry for it in the manifest."""
    return bundles.write(tmp_path / "tiny", decoder=bundles.make_graph(list(nodes), *bundles.decoder_io, **constants))


def test_a_graph_that_fails_at_run_time(bundles, tmp_path):
    node = helper.make_node("Reshape", ["z", "shape"], ["probs"])  # 3 values do not reshape to 16
    path = decoder_with(bundles, tmp_path, node, shape=np.array([-1, 4, 4, 1]))
    with cvae.load(path, provider="cpu") as model, pytest.raises(cvae.BundleError) as caught:
        model.generate(2)
    assert str(caught.value).startswith(f"{path / 'decoder.onnx'}: ONNX Runtime fails: [ONNXRuntimeError] ")
    assert str(caught.value).endswith("; export the bundle again")


def test_outputs_of_an_undeclared_shape(bundles, tmp_path, refuses):
    # One image for any number of latents, which NumPy would broadcast silently.
    nodes = [
        helper.make_node("ReduceMean", ["z"], ["average"], axes=[0, 1], keepdims=0),
        helper.make_node("Sigmoid", ["average"], ["mean"]),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),  # makes the shape unknown before it runs
        helper.make_node("Cast", ["nothing"], ["more"], to=TensorProto.INT64),
        helper.make_node("Add", ["shape", "more"], ["computed"]),
        helper.make_node("Expand", ["mean", "computed"], ["probs"]),
    ]
    path = decoder_with(bundles, tmp_path, *nodes, shape=np.array([1, 4, 4, 1]), zero=np.float32(0.0))
    message = (
        f"{path / 'decoder.onnx'}: expected probs of shape (2, 4, 4, 1), found (1, 4, 4, 1); export the bundle again"
    )
    with cvae.load(path, provider="cpu") as model:
        assert model.generate(1).shape == (1, 4, 4, 1)
        with refuses(cvae.BundleError, message):
            model.generate(2)


def encoder_with(bundles, folder, mean, logvar):
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "zeros"], ["nothing"]),
        helper.make_node("Add", ["nothing", "a"], ["mean"]),
        helper.make_node("Add", ["nothing", "b"], ["logvar"]),
    ]
    constants = {"zeros": np.zeros((16, 3), np.float32), "a": np.float32(mean), "b": np.float32(logvar)}
    return bundles.write(folder, encoder=bundles.make_graph(nodes, *bundles.encoder_io, **constants))


@pytest.mark.parametrize("name", ["mean", "logvar"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_posterior_that_is_not_finite(name, value, bundles, tiny, tmp_path, refuses):
    path = encoder_with(bundles, tmp_path / "tiny", **{"mean": 0.0, "logvar": 0.0, name: value})
    message = f"{path / 'encoder.onnx'}: expected a finite {name}, found NaN or infinity; export it again"
    with cvae.load(path, provider="cpu") as model:
        for call in (model.encode, model.reconstruct, model.score):
            with refuses(cvae.BundleError, message):
                call(tiny.images)


def decoder_that_adds(value, bundles, tiny, folder, *, output="probs"):
    """Return the tiny decoder of a location and a scale, with ``value`` added to one of them."""
    model = onnx.load_from_string(tiny.logistic_decoder())
    for node in model.graph.node:
        if list(node.output) == [output]:
            node.output[0] = "without"
    model.graph.node.append(helper.make_node("Add", ["without", "more"], [output]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), "more"))
    return bundles.write(folder, decoder=model.SerializeToString(), likelihood="discretized-logistic")


CALLS = {
    "generate": lambda model, _: model.generate(3),
    "grey levels": lambda model, _: model.generate(3, dtype="uint8"),
    "many": lambda model, _: model.generate(300),
    "stream": lambda model, _: list(model.stream(3)),
    "decode": lambda model, _: model.decode(np.zeros((2, 3), np.float32)),
    "reconstruct": lambda model, tiny: model.reconstruct(tiny.images),
    "interpolate": lambda model, tiny: model.interpolate(tiny.images[0], tiny.images[1]),
    "score": lambda model, tiny: model.score(tiny.images),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("value", [1e9, -1.0, 0.75])
def test_probabilities_beyond_0_and_1(call, value, bundles, tiny, tmp_path):
    path = decoder_that_adds(value, bundles, tiny, tmp_path / "tiny")
    with cvae.load(path, provider="cpu") as model, pytest.raises(cvae.BundleError) as caught:
        CALLS[call](model, tiny)
    assert str(caught.value).startswith(f"{path / 'decoder.onnx'}: expected probs in [0, 1], found ")
    assert str(caught.value).endswith("; export it again")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_probabilities_that_are_nan(call, value, bundles, tiny, tmp_path, refuses):
    path = decoder_that_adds(value, bundles, tiny, tmp_path / "tiny")
    message = f"{path / 'decoder.onnx'}: expected a finite probs, found NaN or infinity; export it again"
    with cvae.load(path, provider="cpu") as model, refuses(cvae.BundleError, message):
        CALLS[call](model, tiny)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_scale_that_is_nan(value, bundles, tiny, tmp_path, refuses):
    path = decoder_that_adds(value, bundles, tiny, tmp_path / "tiny", output="log_scale")
    message = f"{path / 'decoder.onnx'}: expected a finite log_scale, found NaN or infinity; export it again"
    with cvae.load(path, provider="cpu") as model, refuses(cvae.BundleError, message):
        model.score(tiny.images)


def test_rounding_errors_beyond_0_and_1_are_clipped(bundles, tiny, tmp_path):
    path = decoder_that_adds(0.0005, bundles, tiny, tmp_path / "tiny")
    z = np.array([[30.0, -30.0, 30.0], [0.0, 0.0, 0.0]], np.float32)
    with cvae.load(path, provider="cpu") as model:
        images = model.decode(z)
    assert images.max() == 1.0
    np.testing.assert_allclose(images, np.minimum(tiny.decode(z) + 0.0005, 1.0), atol=1e-6)


def finite(path):
    return (
        f"{path}: expected finite scores, found NaN or infinity; the outputs of its graphs are too extreme; "
        f"export the bundle again"
    )


@pytest.mark.parametrize("logvar", [-1e9, -2000.0])
def test_scores_that_are_not_finite(logvar, bundles, tiny, tmp_path, refuses):
    path = encoder_with(bundles, tmp_path / "tiny", 0.0, logvar)  # a density of infinity at one point
    with cvae.load(path, provider="cpu") as model, refuses(cvae.BundleError, finite(path)):
        model.score(tiny.images)


@pytest.mark.parametrize("log_scale", [-1e9, -2000.0])
def test_scores_under_an_extreme_scale(log_scale, bundles, tiny, tmp_path, refuses):
    path = decoder_that_adds(log_scale, bundles, tiny, tmp_path / "tiny", output="log_scale")
    with cvae.load(path, provider="cpu") as model, refuses(cvae.BundleError, finite(path)):
        model.score(tiny.images)


@pytest.mark.filterwarnings("ignore:overflow encountered in exp")
def test_draws_beyond_float32(bundles, tiny, tmp_path, refuses):
    path = encoder_with(bundles, tmp_path / "tiny", 0.0, 200.0)
    message = f"{path}: expected finite draws of q(z|x), found NaN or infinity; the outputs of its graphs are too extreme; export the bundle again"
    with cvae.load(path, provider="cpu") as model:
        assert (model.encode(tiny.images).logvar == 200.0).all()
        for call in (model.score, lambda images: model.reconstruct(images, sample=True)):
            with refuses(cvae.BundleError, message):
                call(tiny.images)


def test_failures_on_another_provider(bundles, refuses):
    class Session:
        def run(self, _outputs, _inputs):
            raise RuntimeError("out of\n memory")

    session = CheckedSession(Session(), bundles.manifest().graphs[1], "cuda", "b/decoder.onnx")
    message = "b/decoder.onnx: ONNX Runtime fails: out of memory; try provider cpu"
    with refuses(cvae.ProviderError, message):
        session.run(["probs"], {"z": np.zeros((1, 3), np.float32)})


@pytest.mark.parametrize("value", [np.nan, 2.0])
def test_wrong_values_on_another_provider(value, bundles):
    class Session:
        def run(self, _outputs, _inputs):
            return [np.full((1, 4, 4, 1), value, np.float32)]

    session = CheckedSession(Session(), bundles.manifest().graphs[1], "cuda", "b/decoder.onnx")
    with pytest.raises(cvae.ProviderError, match=r"^b/decoder\.onnx: expected .*; try provider cpu$"):
        session.run(np.zeros((1, 3), np.float32), ["probs"])


def test_padding_is_not_checked(bundles):
    # The engine for GPUs keeps them below the rows of a shorter call.
    session = CheckedSession(None, bundles.manifest().graphs[1], "cuda", "b/decoder.onnx")
    found = np.full((4, 4, 4, 1), np.nan, np.float32)
    found[0] = 0.5
    session.check_shapes([found], 4, ["probs"])
    (checked,) = session.checked_values(np.zeros((1, 3), np.float32), [found[:1]], ["probs"])
    assert (checked == 0.5).all()


def test_an_invalid_graph_prints_nothing(bundles, tiny, tiny_bundle, capfd):
    # A name that is not UTF-8 makes ONNX Runtime's fallback print to stdout.
    path = bundles.write(tiny_bundle, decoder=tiny.decoder().replace(b"Sigmoid", b"Sigm\xf4id"))
    with pytest.raises(cvae.BundleError) as caught:
        cvae.load(path, provider="cpu")
    assert str(caught.value).startswith(f"{path / 'decoder.onnx'}: ONNX Runtime cannot open a graph: ")
    assert capfd.readouterr().out == ""


def test_names_that_are_not_utf8(bundles, tiny, tiny_bundle, refuses):
    path = bundles.write(tiny_bundle, decoder=tiny.decoder().replace(b"batch", b"b\xe3tch"))
    message = f"{path / 'decoder.onnx'}: the inputs have names that are not UTF-8; export the bundle again"
    with refuses(cvae.BundleError, message):
        cvae.load(path, provider="cpu")


@pytest.mark.parametrize("value", [1e30, -1e30, 1e-45])
def test_extreme_latents(value, packaged_model):
    images = packaged_model.decode(np.full((3, packaged_model.latent_dim), value, np.float32))
    assert np.isfinite(images).all()
    assert (images.min() >= 0.0, images.max() <= 1.0) == (True, True)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_latents_that_overflow(dtype, packaged_model, refuses):
    source = cvae.packaged_bundle() / packaged_model.graphs["decoder"].file
    largest = np.float32(np.finfo(np.float32).max)
    message = (
        f"{source}: expected latents whose outputs fit float32, found values up to 3.4e+38; "
        f"use smaller latents or a lower temperature"
    )
    with refuses(cvae.InputError, message):
        packaged_model.decode(np.full((3, packaged_model.latent_dim), largest))
    with pytest.raises(cvae.InputError, match=r"expected latents whose outputs fit float32"):
        packaged_model.generate(40, temperature=4e37, dtype=dtype)
