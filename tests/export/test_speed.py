import numpy as np
import onnx
import pytest

from cvae_export import _speed
from cvae_export._reference import Expected
from cvae_export._speed import provider_works, speed_ratio

MATRIX = 64
EXPECTED = Expected(40, lambda start, stop: {"x": _ones(stop - start)}, {}, None)


def _ones(count):
    return np.ones((count, MATRIX), np.float32)


def graph(name="x"):
    """A graph of one Relu."""
    text = f"""
        <ir_version: 8, opset_import: ["" : 15]>
        g (float[batch,{MATRIX}] {name}) => (float[batch,{MATRIX}] y) {{ y = Relu ({name}) }}
    """
    return onnx.parser.parse_model(text).SerializeToString()


def test_speed_ratio_is_the_median_without_warm_up(monkeypatch):
    seconds = iter([9.0, 1.0] + [2.0, 6.0, 6.0, 2.0] * 4 + [5.0, 10.0])
    monkeypatch.setattr(_speed, "_seconds", lambda _session, _inputs: next(seconds))
    # Odd rounds time the graph first: 2 s against 6, in the last round 5 against 10. Even rounds time the other first: 6 s against 2.
    assert speed_ratio(graph(), graph(), EXPECTED) == 3.0


def test_speed_uses_one_micro_batch_and_one_thread(monkeypatch):
    seen = []
    monkeypatch.setattr(_speed, "_seconds", lambda session, inputs: seen.append((session, inputs["x"].shape)) or 1.0)
    assert speed_ratio(graph(), graph(), EXPECTED) == 1.0
    assert {shape for _, shape in seen} == {(16, MATRIX)}
    assert {session.get_session_options().intra_op_num_threads for session, _ in seen} == {1}


def test_a_graph_against_itself_is_measured():
    assert speed_ratio(graph(), graph(), EXPECTED) > 0.0


@pytest.mark.parametrize(("provider", "there"), [("cpu", True), ("cuda", False)])
def test_a_provider_works_where_sessions_run_on_it(provider, there):
    assert provider_works(provider, graph()) is there
