"""Extra roles: their graphs match what the runtime computes from encoder and decoder."""

import dataclasses

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx.reference import ReferenceEvaluator

import cvae_runtime
import cvae_runtime.bundle
import cvae_runtime.elbo
from cvae_export import ExportConfig, export
from cvae_export._build import _Builder
from cvae_export._config import EXTRA_ROLES, OPSETS
from cvae_export._convert import convert, finish
from cvae_export._functions import FUNCTIONS, outputs_of
from cvae_export._graph import Graph
from cvae_export._reference import Reference, run_tensorflow
from cvae_export._scorer import _log_likelihood
from cvae_export._source import source_of_run
from cvae_export._verify import BUDGETS, check, compare, run_onnx
from cvae_export.passes import PORTABLE
from cvae_runtime import ParityError, check_golden, posterior_noise, read_bundle, to_uint8
from cvae_train import CVAE, preprocess


def in_colour(source, config, images):
    """An untrained colour model."""
    model = CVAE(config, seed=3)
    info = dataclasses.replace(
        source.info,
        image_shape=(8, 8, 3),
        latent_dim=4,
        likelihood=config.likelihood,
        preprocessing=cvae_runtime.bundle.Preprocessing(255, None),
    )
    return dataclasses.replace(
        source,
        info=info,
        preprocess=lambda images: preprocess(images, None),
        preprocess_float=lambda images: preprocess(tf.round(images * 255.0), None),
        encode=model.encode,
        decode=model.pixel_parameters,
        test_images=images,
    )


@pytest.fixture(scope="module")
def rgb_source(source, rgb_config, rgb_data):
    return in_colour(source, rgb_config.model, rgb_data.test)


@pytest.fixture(scope="module")
def earlier_source(source, rgb_config, rgb_data):
    """A colour model with the likelihood of earlier runs."""
    return in_colour(source, dataclasses.replace(rgb_config.model, likelihood="discretized-logistic"), rgb_data.test)


@pytest.fixture(scope="module")
def grey_source(trained_grey):
    return source_of_run(trained_grey.path)


@pytest.fixture(scope="module", params=["grey_source", "rgb_source", "earlier_source"])
def reference(request):
    return Reference(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    return export(trained.path, tmp_path_factory.mktemp("bundles") / "all", ExportConfig(extras=EXTRA_ROLES))


@pytest.fixture(scope="module")
def graphs(exported):
    return {graph.role: run_onnx((exported.path / graph.file).read_bytes()) for graph in exported.manifest.graphs}


@pytest.fixture(scope="module")
def model(exported):
    with cvae_runtime.load(exported.path, provider="cpu") as model:
        yield model


def test_the_manifest_describes_every_graph(exported):
    image, code, one = ("batch", 8, 8, 1), ("batch", 3), ("batch",)
    assert {
        graph.file: [[(t.name, t.dtype, t.shape) for t in tensors] for tensors in (graph.inputs, graph.outputs)]
        for graph in exported.manifest.graphs[2:]
    } == {
        "reconstructor.onnx": [[("images", "uint8", image)], [("probs", "float32", image)]],
        "scorer.onnx": [
            [("images", "uint8", image), ("noise", "float32", ("samples", "batch", 3))],
            [("elbo", "float32", one), ("log_likelihood", "float32", one)],
        ],
        "sampler.onnx": [
            [("seed", "uint32", (2,)), ("first", "int64", ()), ("count", "int64", ()), ("temperature", "float32", ())],
            [("probs", "float32", image)],
        ],
        "decoder_uint8.onnx": [[("z", "float32", code)], [("images", "uint8", image)]],
        "encoder_float.onnx": [
            [("images", "float32", image)],
            [("mean", "float32", code), ("logvar", "float32", code)],
        ],
    }
    assert [graph.opset for graph in exported.manifest.graphs] == [15, 15, 15, 15, 18, 15, 15]


def test_roles_with_an_elbo_change(exported):
    changes = {graph.role: graph.verified.elbo_change for graph in exported.manifest.graphs}
    assert [role for role, change in changes.items() if change is not None] == [
        "encoder",
        "decoder",
        "scorer",
        "encoder_float",
    ]
    assert abs(changes["scorer"]) < 1e-4


def test_golden_vectors_of_every_graph_agree(exported):
    bundle = read_bundle(exported.path)
    golden = cvae_runtime.bundle.parse_golden(bundle.files["golden.json"], "golden.json")
    assert [case.file for case in golden.cases] == [graph.file for graph in exported.manifest.graphs]
    assert all(result.agrees for result in check_golden(bundle))
    sampler = golden.cases[4].inputs
    assert {name: (array.dtype.name, array.tolist()) for name, array in sampler.items()} == {
        "seed": ("uint32", [0x89ABCDEF, 0x01234567]),
        "first": ("int64", 2**40),
        "count": ("int64", 4),
        "temperature": ("float32", 0.75),
    }
    assert [case.atol for case in golden.cases[4:6]] == [pytest.approx(1e-4), 1.0]


def test_a_reconstructor_goes_through_the_mean(graphs, model, tiny_data):
    found = graphs["reconstructor"]({"images": tiny_data.test})["probs"]
    np.testing.assert_allclose(found, model.reconstruct(tiny_data.test), rtol=0, atol=1e-6)


def test_a_sampler_gives_the_runtime_s_samples(graphs, model):
    arguments = {"seed": np.array([7, 1], np.uint32), "first": np.array(40), "count": np.array(5)}
    found = graphs["sampler"]({**arguments, "temperature": np.array(0.5, np.float32)})["probs"]
    expected = model.generate(5, seed=7 + (1 << 32), first=40, temperature=0.5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_float_encoder_rounds_to_the_nearest_pixel(graphs, model, tiny_data):
    images = np.concatenate([tiny_data.test, np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)])
    posterior = model.encode(images)
    for shift in (0.0, 0.49, -0.49):
        floats = np.clip((images + np.float32(shift)) / np.float32(255), 0, 1).astype(np.float32)
        found = graphs["encoder_float"]({"images": floats})
        np.testing.assert_allclose(found["mean"], posterior.mean, rtol=0, atol=1e-5)
        np.testing.assert_allclose(found["logvar"], posterior.logvar, rtol=0, atol=1e-5)


def test_images_of_bytes_are_rounded_as_the_runtime_rounds(source):
    halves = np.float32(np.arange(255) + 0.5) / np.float32(255)
    edges = np.concatenate([halves, np.nextafter(halves, np.float32(0)), np.nextafter(halves, np.float32(1))])
    assert (halves * np.float32(255) % 1 == 0.5).sum() > 100  # ties, which round to even
    values = np.concatenate([edges, np.float32([0, 1, -0.1, 1.1])])
    source = dataclasses.replace(source, decode=lambda z: {"probs": tf.reshape(z, [-1, 1, 1, 1])})
    source = dataclasses.replace(source, info=dataclasses.replace(source.info, latent_dim=1))
    proto = convert(FUNCTIONS["decoder_uint8"](source), 15)
    graph, _ = finish(proto, PORTABLE, ("images",), {"cvae.role": "decoder_uint8"})
    z = values[:, np.newaxis]
    for found in (run_onnx(graph)({"z": z})["images"], ReferenceEvaluator(graph).run(["images"], {"z": z})[0]):
        np.testing.assert_array_equal(found.ravel(), to_uint8(values.clip(0, 1)))


@pytest.mark.parametrize("samples", [1, 5])
def test_a_scorer_gives_the_runtime_s_scores(graphs, model, tiny_data, samples):
    noise = posterior_noise(3, 2 * samples, 13 * samples, 3).reshape(13, samples, 3).swapaxes(0, 1)
    found = graphs["scorer"]({"images": tiny_data.test, "noise": noise})
    expected = model.score(tiny_data.test, samples=samples, seed=3, first=2)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(found["elbo"], expected.elbo, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(found["log_likelihood"], expected.iw_bound, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("role", ["reconstructor", "scorer", "decoder_uint8", "encoder_float"])
@pytest.mark.parametrize("opset", [OPSETS.start, OPSETS.stop - 1])
def test_every_opset_matches_the_model_with_plain_operators(reference, role, opset):
    builder = _Builder(reference, ExportConfig(opset=opset), lambda *_: None)
    graph = builder.portable(role)
    check([builder.compare(graph)])
    nodes = onnx.load_from_string(graph.data).graph.node
    assert {node.domain for node in nodes} == {""}
    assert not {node.op_type for node in nodes} & {"If", "Loop", "Scan", "RandomNormal", "RandomNormalLike"}


@pytest.mark.parametrize("role", EXTRA_ROLES)
def test_onnx_s_reference_evaluator_gives_the_same_numbers(reference, role):
    graph = _Builder(reference, ExportConfig(), lambda *_: None).portable(role)
    evaluator, names = ReferenceEvaluator(graph.data), list(outputs_of(role, reference.source))
    inputs = reference.golden_inputs(role)
    found, expected = evaluator.run(names, inputs), run_onnx(graph.data)(inputs)
    for name, array in zip(names, found, strict=True):
        atol = 1.0 if array.dtype == np.uint8 else 1e-5
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=atol)


def test_pixel_likelihoods_hold_in_the_tails_of_narrow_distributions():
    levels, places, scales = np.meshgrid([0, 1, 128, 254, 255], [0.0, 1e-6, 0.5, 1.0], [-7.69, -2.0, 3.0])
    x = (levels.reshape(1, 5, 12, 1) / 255).astype(np.float32)
    outputs = {
        "probs": places.reshape(x.shape).astype(np.float32),
        "log_scale": scales.reshape(x.shape).astype(np.float32),
    }
    places, scales = (array[..., np.newaxis] for array in (outputs["probs"], outputs["log_scale"]))
    mixture = {
        "location": np.concatenate([places, 300.0 - 600.0 * places], axis=-1),
        "log_scale": np.concatenate([scales, -scales / 4.0], axis=-1),
        "mixture_logits": np.concatenate([places - 30.0, 9.0 * scales], axis=-1),
    }
    for likelihood in ("bernoulli", "discretized-logistic", "discretized-logistic-mixture"):
        outputs = mixture if "mixture" in likelihood else outputs
        parameters = {name: tf.constant(array, tf.float64) for name, array in outputs.items()}
        found = _log_likelihood(tf.constant(x, tf.float64), parameters, likelihood)
        expected = cvae_runtime.elbo.log_likelihood(x, outputs, likelihood)
        assert tf.reduce_sum(found).numpy() == pytest.approx(expected[0], rel=1e-9)


def compared(source, role, other):
    """Compare a role's function with another one of the same outputs."""
    reference = Reference(source)
    graph = Graph(role, "portable", "float32", b"", ())
    return compare(graph, [other], reference.expected(role), reference.elbos, BUDGETS["float32"])


@pytest.mark.parametrize(
    ("role", "output", "change"),
    [
        ("scorer", "elbo", lambda x: x + np.float32(0.1)),
        ("scorer", "log_likelihood", lambda x: x + np.float32(np.log(3.0))),  # k forgotten
        ("decoder_uint8", "images", lambda x: x - (x > 0)),  # rounded down
        ("decoder_uint8", "images", lambda x: np.where(x == x.max(), x - 1, x)),
        ("reconstructor", "probs", lambda x: x + np.float32(2e-5)),
        ("encoder_float", "mean", lambda x: x * np.float32(1.001)),
    ],
)
def test_any_difference_fails(source, role, output, change):
    right = run_tensorflow(FUNCTIONS[role](source))

    def other(inputs):
        outputs = dict(right(inputs))
        return outputs | {output: change(outputs[output])}

    with pytest.raises(ParityError, match=f"{role}.onnx +{output} .*FAILS"):
        check([compared(source, role, other)])


@pytest.mark.parametrize("role", ["scorer", "reconstructor", "encoder_float"])
def test_a_wrong_threshold_fails(source, role):
    wrong = dataclasses.replace(
        source,
        preprocess=lambda images: preprocess(images, 129),
        preprocess_float=lambda images: preprocess(tf.round(images * 255.0), 129),
    )
    with pytest.raises(ParityError, match="FAILS"):
        check([compared(source, role, run_tensorflow(FUNCTIONS[role](wrong)))])


def test_worse_scorer_has_negative_elbo_change(source):
    right = run_tensorflow(FUNCTIONS["scorer"](source))
    worse = compared(source, "scorer", lambda inputs: {**right(inputs), "elbo": right(inputs)["elbo"] - 1})
    assert worse.elbo_change == pytest.approx(-1.0, abs=1e-3)


def test_a_role_asked_for_twice_is_built_once(trained, tmp_path):
    result = export(trained.path, tmp_path / "bundle", ExportConfig(extras=("decoder_uint8", "decoder_uint8")))
    assert [graph.role for graph in result.manifest.graphs] == ["encoder", "decoder", "decoder_uint8"]


def test_scorer_sums_over_one_axis_at_a_time(exported):
    """OpenCV 5 computes wrong sums over several axes."""
    proto = onnx.load(exported.path / "scorer.onnx")
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    sums = [constants[node.input[1]] for node in proto.graph.node if node.op_type == "ReduceSum"]
    assert len(sums) == 5
    assert {axes.size for axes in sums} == {1}
