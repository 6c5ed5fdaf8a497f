import numpy as np
import onnx

from benchmarks._notebook import BUNDLE as NOTEBOOK
from cvae_export import _speed
from cvae_export._graph import Graph
from cvae_export._reference import Expected
from cvae_export._speed import speed_ratio
from cvae_runtime import read_bundle

MATRIX = 64
EXPECTED = Expected(40, lambda start, stop: {"x": _ones(stop - start)}, {}, None)
MODEL = read_bundle(NOTEBOOK).manifest.model


def _ones(count):
    return np.ones((count, MATRIX), np.float32)


def graph(precision="float32"):
    """A decoder of one Relu."""
    text = f"""
        <ir_version: 8, opset_import: ["" : 15]>
        g (float[batch,{MATRIX}] x) => (float[batch,{MATRIX}] y) {{ y = Relu (x) }}
    """
    return Graph("decoder", "portable", precision, onnx.parser.parse_model(text).SerializeToString(), ())


def test_speed_ratio_is_the_median_without_warm_up(monkeypatch):
    seconds = iter([9.0, 1.0] + [2.0, 6.0, 6.0, 2.0] * 4 + [5.0, 10.0])
    monkeypatch.setattr(_speed, "_seconds", lambda *_: next(seconds))
    # Odd rounds time the graph first: 2 s against 6, in the last round 5 against 10. Even rounds time the other first:
    # 6 s against 2.
    assert speed_ratio(graph(), graph(), EXPECTED, MODEL) == 3.0


def test_graphs_run_in_the_micro_batches_of_the_runtime_on_one_thread(monkeypatch):
    seen = []
    monkeypatch.setattr(_speed, "_seconds", lambda *runner: seen.append(runner) or 1.0)
    assert speed_ratio(graph(), graph("int8"), EXPECTED, MODEL) == 1.0
    assert {(inputs["x"].shape, count) for _, inputs, count in seen} == {((8, MATRIX), 8), ((16, MATRIX), 16)}
    assert {session.get_session_options().intra_op_num_threads for session, *_ in seen} == {1}


def test_there_is_no_speed_where_the_provider_does_not_work():
    assert speed_ratio(graph(), graph(), EXPECTED, MODEL, "coreml") is None
