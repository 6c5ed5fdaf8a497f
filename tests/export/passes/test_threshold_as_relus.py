import numpy as np
import pytest

from cvae_export.passes import ThresholdAsRelus
from tests.export.tiny_graphs import assert_left_alone, assert_same, evaluate, operators, parse, rewritten, run

CAST = "f = Cast <to = 1> (x)"
RELUS = ["Sub", "Relu", "Sub", "Relu", "Sub"]


def binarization(before=CAST, element="uint8", to=1, threshold=128, y="float[batch,4,4,1] y", **constants):
    """Pixels that are compared with a threshold."""
    text = f"""
    images ({element}[batch,4,4,1] x) => ({y}) {{
        {before}
        on = GreaterOrEqual (f, threshold)
        [it] y = Cast <to = {to}> (on)
    }}
    """
    return parse(text, threshold=np.float32(threshold), **constants)


@pytest.mark.parametrize("threshold", [1, 2, 127, 128, 255])
def test_every_level_keeps_its_bits(threshold):
    proto = binarization(threshold=threshold)
    result, names = rewritten(proto, ThresholdAsRelus())
    assert (operators(result), names) == (["Cast", *RELUS], ["ThresholdAsRelus"])
    levels = np.arange(256, dtype=np.uint8).reshape(16, 4, 4, 1)
    for evaluator in (run, evaluate):
        (found,) = evaluator(result, {"x": levels})
        np.testing.assert_array_equal(found, (levels >= threshold).astype(np.float32))


def test_rounded_floats_count_as_the_nearer_level():
    proto = binarization("m = Mul (x, levels) f = Round (m)", "float", levels=np.float32(255))
    result, names = rewritten(proto, ThresholdAsRelus())
    assert (operators(result), names) == (["Mul", "Round", *RELUS], ["ThresholdAsRelus"])
    values = np.linspace(0, 1, 16 * 64, dtype=np.float32).reshape(64, 4, 4, 1)
    np.testing.assert_array_equal(run(result, {"x": values}), run(proto, {"x": values}))


def test_moved_bytes_are_whole():
    proto = binarization(f"r = Reshape (x, shape) {CAST.replace('(x)', '(r)')}", shape=np.array([0, 4, 4, 1]))
    result, names = rewritten(proto, ThresholdAsRelus())
    assert (operators(result), names) == (["Reshape", "Cast", *RELUS], ["ThresholdAsRelus"])
    assert_same(result, proto)


FRACTIONS = "it may compare fractions"
TYPE = "its type is not that of the compared values"
NUMBER = "the threshold is not a number from 1 to 255"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"before": "f = Relu (x)", "element": "float"}, FRACTIONS),
        ({"threshold": 127.5, "before": "f = Round (x)", "element": "float"}, FRACTIONS),
        ({"to": 11, "y": "double[batch,4,4,1] y", "before": "f = Round (x)", "element": "float"}, TYPE),
        ({"threshold": 0, "before": "f = Round (x)", "element": "float"}, NUMBER),
        ({"threshold": 256, "before": "f = Round (x)", "element": "float"}, NUMBER),
        ({"threshold": [1] * 4, "y": "float[batch,4,4,4] y", "before": "f = Round (x)", "element": "float"}, NUMBER),
    ],
)
def test_other_comparisons_are_kept(change, reason, caplog):
    assert_left_alone(binarization(**change), ThresholdAsRelus(), caplog, reason)


def test_other_casts_are_kept(caplog):
    proto = parse("images (uint8[batch,4,4,1] x) => (float[batch,4,4,1] y) { [it] y = Cast <to = 1> (x) }")
    assert_left_alone(proto, ThresholdAsRelus(), caplog, "it casts no result of GreaterOrEqual")
