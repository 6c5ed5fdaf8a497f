"""Engines: equal results for each engine and division into micro-batches; tuning."""

import contextlib
import copy
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cvae_runtime as cvae
from cvae_runtime._engine import open as _engines
from cvae_runtime._engine import tune as _tune
from cvae_runtime._engine.cpu import Engine
from cvae_runtime._engine.io_binding import BoundEngine
from cvae_runtime._engine.providers import Opened
from cvae_runtime._engine.scheduler import Scheduler
from cvae_runtime._engine.session import CheckedSession


@pytest.fixture(scope="module")
def session(tiny, bundles):
    """Return the checked session of the tiny decoder."""
    session = onnxruntime.InferenceSession(tiny.decoder(), providers=["CPUExecutionProvider"])
    return CheckedSession(session, bundles.manifest().graphs[1], "cpu", "decoder.onnx")


@pytest.fixture(scope="module")
def scheduler():
    made = Scheduler(2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def bound(session, scheduler):
    """Return the engine for GPUs, with its memory on the CPU."""
    return BoundEngine(session, 16, scheduler, device="cpu")


def decoded(engine, z, dtype=np.float32, **options):
    results = engine.run(len(z), lambda start, stop: z[start:stop], ["probs"], dtype=np.dtype(dtype).name, **options)
    assert list(results) == ["probs"]
    assert (results["probs"].dtype, results["probs"].shape) == (dtype, (len(z), 4, 4, 1))
    return results["probs"]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.booleans())
def test_bound_memory_gives_equal_results(tiny, session, scheduler, bound, count, aligned):
    z = cvae.prior_latents(0, count, count, 3)
    found = decoded(bound, z, aligned=aligned)
    np.testing.assert_allclose(found, tiny.decode(z), atol=1e-6)
    np.testing.assert_allclose(found, decoded(Engine(session, 16, scheduler), z, aligned=aligned), atol=1e-7)
    assert {size for size, _ in vars(bound._buffers)} <= {1, 2, 4, 8, 16}


def test_memory_is_bound_once_per_size(tiny, session, scheduler, monkeypatch):
    engine, bound = BoundEngine(session, 16, scheduler, device="cpu"), []
    bind = engine._bind
    monkeypatch.setattr(engine, "_bind", lambda size, *rest: bound.append(size) or bind(size, *rest))
    for count in (5, 7, 8, 3, 5, 16, 1):
        z = cvae.prior_latents(0, count, count, 3)
        np.testing.assert_allclose(decoded(engine, z), tiny.decode(z), atol=1e-6)
    assert bound == [8, 4, 16, 1]


def test_the_graph_sees_no_other_sizes(session, scheduler, monkeypatch):
    engine, seen = BoundEngine(session, 16, scheduler, device="cpu"), set()
    bind = engine._bind

    def spied(*arguments):
        made = bind(*arguments)
        seen.add(tuple(made[2].shape()))
        return made

    monkeypatch.setattr(engine, "_bind", spied)
    for count in range(1, 60):
        decoded(engine, cvae.prior_latents(0, 0, count, 3))
    assert seen == {(size, 3) for size in (1, 2, 4, 8, 16)}


@pytest.mark.parametrize("kind", [Engine, lambda *arguments: BoundEngine(*arguments, device="cpu")])
def test_later_calls_leave_results_unchanged(kind, tiny, session, scheduler):
    engine, z = kind(session, 16, scheduler), cvae.prior_latents(3, 0, 4, 3)
    found = [decoded(engine, z[index : index + 1]) for index in range(4)]
    np.testing.assert_allclose(np.concatenate(found), tiny.decode(z), atol=1e-6)
    found[0] += 1.0  # results are the caller's: writable, and nobody else's
    np.testing.assert_allclose(decoded(engine, z[:1]), tiny.decode(z[:1]), atol=1e-6)


@pytest.mark.parametrize("kind", [Engine, lambda *arguments: BoundEngine(*arguments, device="cpu")])
def test_grey_levels_are_those_of_to_uint8(kind, session, scheduler):
    engine, z = kind(session, 16, scheduler), cvae.prior_latents(3, 0, 40, 3)
    np.testing.assert_array_equal(decoded(engine, z, np.uint8), cvae.to_uint8(decoded(engine, z)))


@pytest.mark.parametrize(
    ("provider", "kind"), [("cuda", BoundEngine), ("tensorrt", BoundEngine), ("openvino", Engine), ("coreml", Engine)]
)
def test_the_device_of_bound_memory(provider, kind, tiny_bundle, monkeypatch):
    def on_the_cpu(graphs_for, _provider, **_options):
        return Opened([onnxruntime.InferenceSession(graph) for graph in graphs_for("cpu")], provider, "a stand-in")

    monkeypatch.setattr(_engines, "open_sessions", on_the_cpu)
    with contextlib.closing(Scheduler(1)) as scheduler:
        opened = _engines.open_engines(
            cvae.read_bundle(tiny_bundle),
            scheduler,
            provider=provider,
            precision="float32",
            provider_options={"device_id": "1"},
        )
    assert [type(engine) for engine in opened.by_role.values()] == [kind, kind]
    assert opened.micro_batches == {"encoder": 256, "decoder": 256}
    assert vars(opened.by_role["decoder"]).get("_device", ("cuda", 1)) == ("cuda", 1)


def test_a_failing_device(session, scheduler, refuses):
    def fails(_binding):
        raise RuntimeError("CUDA error 2: out of\n memory")

    broken = SimpleNamespace(io_binding=session.session.io_binding, run_with_iobinding=fails)
    checked = copy.copy(session)
    checked.session, checked._provider = broken, "cuda"
    message = "decoder.onnx: ONNX Runtime fails: CUDA error 2: out of memory; try provider cpu"
    with refuses(cvae.ProviderError, message):
        decoded(BoundEngine(checked, 16, scheduler, device="cpu"), cvae.prior_latents(0, 0, 3, 3))


def test_sizes_of_input_blocks(session, scheduler):
    asked = []

    def latents(start, stop):
        asked.append((start, stop))
        return cvae.prior_latents(0, start, stop - start, 3)

    engine = Engine(session, 8, scheduler)
    out = engine.run(512, latents, ["probs"])["probs"]
    assert sorted(asked) == [(start, start + 64) for start in range(0, 512, 64)]
    np.testing.assert_array_equal(out, decoded(engine, cvae.prior_latents(0, 0, 512, 3)))
    asked.clear()
    engine.run(256, latents, ["probs"])
    assert asked == [(0, 256)]


@pytest.mark.parametrize(("aligned", "expected"), [(False, [6, 6]), (True, [4, 8])])
def test_whole_micro_batches_are_never_cut(aligned, expected, session, scheduler, monkeypatch):
    engine, sizes = Engine(session, 8, scheduler), []
    call = engine.call
    monkeypatch.setattr(
        engine, "call", lambda items, outputs, labels: sizes.append(len(items)) or call(items, outputs, labels)
    )
    decoded(engine, cvae.prior_latents(0, 0, 12, 3), aligned=aligned)
    assert sorted(sizes) == expected


def test_the_smallest_fast_candidate_wins():
    rates = {1: 50.0, 2: 97.0, 4: 99.0, 8: 100.0, 16: 80.0}
    asked = []
    assert _tune.fastest(lambda size: asked.append(size) or rates[size], list(rates), 0.0) == 4
    assert asked == list(rates) * 4  # one to warm up, and three rounds


def test_tuning_keeps_results(tiny_bundle, monkeypatch):
    monkeypatch.setattr(
        "cvae_runtime._engine.cpu.fastest", lambda rate, candidates, _: [rate(n) for n in candidates] and 4
    )
    with cvae.load(tiny_bundle, provider="cpu", threads=2) as model:
        before = model.generate(100, seed=1)
        assert model.tune(0.1) == {"encoder": 4, "decoder": 4}
        assert model.micro_batch == 4
        assert {graph["micro_batch"] for graph in model.receipt()["graphs"].values()} == {4}
        np.testing.assert_allclose(model.generate(100, seed=1), before, atol=1e-6)


def test_tuning_selects_a_power_of_two(tiny_bundle):
    with cvae.load(tiny_bundle, provider="cpu", threads=1) as model:
        found = model.tune(0.01)
        assert set(found) == {"encoder", "decoder"}
        assert set(found.values()) <= {1 << power for power in range(10)}
