"""Whole pipelines on the graphs of tiny models."""

import dataclasses

import pytest

from cvae_export._config import PASSES, ROLES
from cvae_export._convert import convert
from cvae_export._functions import FUNCTIONS
from cvae_export._source import source_of_run
from cvae_export.passes import CPU, CPU_OPSET, LAYOUT, PORTABLE, ROWS, select_passes
from cvae_train import CVAE, ModelConfig, preprocess
from tests.export.tiny_graphs import assert_same, attributes, normal, operators, rewritten

PLAIN = {"Add", "Cast", "Conv", "ConvTranspose", "MatMul", "Mul", "Relu", "Reshape", "Sigmoid", "Slice", "Split", "Sub", "Transpose"}  # fmt: skip
PLAIN_IN_COLOUR = PLAIN | {"Abs", "Clip", "Div", "Exp", "Log", "Max", "Min", "Neg", "ReduceSum", "Softmax"}


@pytest.fixture(scope="module")
def subjects(trained, trained_grey, rgb_config):
    """The trained tiny models, and models with random weights, in colour and with three layers."""

    def of_random_weights(config):
        model = CVAE(config)
        for n, variable in enumerate(model.trainable_variables):
            variable.assign(0.3 * normal(*variable.shape, seed=n))
        info = dataclasses.replace(
            tiny.info, image_shape=config.image_shape, latent_dim=config.latent_dim, likelihood=config.likelihood
        )
        return dataclasses.replace(
            tiny,
            info=info,
            preprocess=lambda images: preprocess(images, None),
            encode=model.encode,
            decode=model.pixel_parameters,
        )

    tiny = source_of_run(trained.path)
    return {
        "tiny": tiny,
        "grey": source_of_run(trained_grey.path),
        "colour": of_random_weights(rgb_config.model),
        "earlier": of_random_weights(dataclasses.replace(rgb_config.model, likelihood="discretized-logistic")),
        "deep": of_random_weights(ModelConfig(image_shape=(16, 24, 1), latent_dim=3, filters=(4, 6, 5))),
    }


@pytest.fixture(
    scope="module",
    params=[(name, role) for name in ("tiny", "grey", "colour", "earlier", "deep") for role in ROLES],
    ids=" ".join,
)
def case(request, subjects):
    """The plain graph of a role, and the name of its model."""
    name, role = request.param
    return name, role, convert(FUNCTIONS[role](subjects[name]), CPU_OPSET)


@pytest.mark.parametrize("pipeline", [PORTABLE, CPU, LAYOUT + ROWS], ids=["portable", "cpu", "rows"])
def test_pipelines_keep_what_graphs_compute(case, pipeline):
    _, _, proto = case
    result, names = rewritten(proto, *pipeline)
    assert names
    assert_same(result, proto)


def test_the_portable_passes_find_nothing_left_to_do(case):
    _, _, proto = case
    result, _ = rewritten(proto, *PORTABLE)
    assert rewritten(result, *PORTABLE)[1] == []


def test_portable_graphs_use_plain_operators_and_equal_pads(case):
    name, _, proto = case
    result, _ = rewritten(proto, *PORTABLE)
    assert set(operators(result)) <= (PLAIN_IN_COLOUR if name in ("colour", "earlier") else PLAIN)
    for node in result.graph.node:
        pads = attributes(node).get("pads", [])
        assert pads[: len(pads) // 2] == pads[len(pads) // 2 :]


def test_no_transpose_is_left_where_there_is_one_channel(case):
    name, _, proto = case
    for pipeline in (PORTABLE, CPU):
        result, _ = rewritten(proto, *pipeline)
        assert operators(result).count("Transpose") == (name in ("colour", "earlier"))  # for images with channels last


def test_graphs_for_the_cpu_have_one_transposed_convolution(case):
    name, role, proto = case
    result, names = rewritten(proto, *CPU)
    upsamplings = 3 if name == "deep" else 2
    assert operators(result).count("ConvTranspose") == (role == "decoder")
    assert operators(result).count("Col2Im") == (upsamplings - 1 if role == "decoder" else 0)
    assert {"OutputPhases", "StridedOutput"} <= set(names) or role == "encoder"


def test_graphs_for_8_bits_have_no_transposed_convolution(case):
    _, role, proto = case
    result, names = rewritten(proto, *LAYOUT, *ROWS)
    assert "ConvTranspose" not in operators(result)
    assert {"OutputRows", "ProductOutput"} <= set(names) or role == "encoder"
    assert operators(result).count("Gemm") == 1


def _name(rewrite):
    return type(rewrite).__name__


def test_passes_are_chosen_by_name():
    assert len(PASSES) == len(set(PASSES))
    assert set(PASSES) == {_name(each) for each in (*PORTABLE, *CPU, *ROWS)}
    assert select_passes(CPU, PASSES) == CPU
    assert select_passes(CPU, []) == ()
    assert [*map(_name, select_passes(CPU, ["StridedOutput", "FoldConstants"]))] == ["FoldConstants", "StridedOutput"]


@pytest.mark.parametrize("name", PASSES)
def test_each_pass_can_be_left_out(case, name):
    _, _, proto = case
    for pipeline in (PORTABLE, CPU, LAYOUT + ROWS):
        result, names = rewritten(proto, *select_passes(pipeline, set(PASSES) - {name}))
        assert name not in names
        if name in map(_name, pipeline):
            assert_same(result, proto)
