"""Golden vectors: a round trip through JSON, invalid documents, and the comparison of outputs."""

import base64
import copy
import dataclasses
import json

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper

import cvae_runtime as cvae
import cvae_runtime.bundle
from cvae_runtime._bundle import parse_golden
from cvae_runtime._bundle.safetensors import to_safetensors
from cvae_runtime._engine.providers import open_sessions

Z = np.array([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]], np.float32)


def case_of(outputs, atol=1e-5, file="decoder.onnx", **inputs):
    return cvae.bundle.GoldenCase(file, inputs or {"z": Z}, outputs, atol)


@pytest.fixture
def check(bundles, tmp_path):
    """Run golden vectors against a tiny bundle."""

    def check(*cases, rng=(), **kind):
        golden = cvae.bundle.Golden(tuple(cases), tuple(rng)).to_json().encode()
        return cvae.check_golden(cvae.read_bundle(bundles.write(tmp_path / "tiny", golden, **kind)))

    return check


@given(
    st.sampled_from(["float32", "float64", "uint8", "int64", ">f4"]).flatmap(
        lambda dtype: arrays(dtype, st.lists(st.integers(1, 3), max_size=3).map(tuple))
    ),
    st.floats(0.0, 1.0),
)
def test_arrays_come_back_bit_for_bit(array, atol):
    golden = cvae.bundle.Golden((cvae.bundle.GoldenCase("a.onnx", {"x": array}, {}, atol),), ())
    (case,) = cvae.bundle.parse_golden(golden.to_json(), "golden.json").cases
    assert (case.file, case.atol, case.outputs) == ("a.onnx", atol, {})
    assert (case.inputs["x"].dtype, case.inputs["x"].shape) == (array.dtype.newbyteorder("="), array.shape)
    assert case.inputs["x"].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()


def test_seeds_beyond_2_to_the_53_survive_javascript():
    latents = cvae.bundle.GoldenLatents(
        (1 << 64) - 1, (1 << 53) + 1, 1, 3, cvae.prior_latents((1 << 64) - 1, (1 << 53) + 1, 1, 3)
    )
    text = cvae.bundle.Golden((), (latents,)).to_json()
    (value,) = json.loads(text)["rng"]
    assert (value["seed"], value["first"]) == ("18446744073709551615", "9007199254740993")
    assert base64.b64decode(value["z"]["data"]) == latents.z.astype("<f4").tobytes()
    (found,) = cvae.bundle.parse_golden(text, "golden.json").rng
    assert (found.seed, found.first, found.count, found.latent_dim) == ((1 << 64) - 1, (1 << 53) + 1, 1, 3)
    assert (found.z == latents.z).all()


def test_results_give_the_differences(check, tiny):
    probs = tiny.decode(Z).astype(np.float32)
    mean, logvar = tiny.encode(tiny.images)
    encoder = cvae.bundle.GoldenCase("encoder.onnx", {"images": tiny.images}, {"mean": mean, "logvar": logvar}, 1e-4)
    rng = [cvae.bundle.GoldenLatents(7, 40, 2, 50, cvae.prior_latents(7, 40, 2, 50))]
    results = check(case_of({"probs": probs + np.float32(1e-3)}, 2e-3), encoder, rng=rng)
    assert [(result.file, result.output, result.atol, result.agrees) for result in results] == [
        ("decoder.onnx", "probs", 2e-3, True),
        ("encoder.onnx", "mean", 1e-4, True),
        ("encoder.onnx", "logvar", 1e-4, True),
        ("rng", "seed 7, in ulp", 1.0, True),
    ]
    assert results[0].difference == pytest.approx(1e-3, rel=0.01)
    assert results[3].difference == 0.0


@pytest.mark.parametrize("level", onnxruntime.GraphOptimizationLevel.__members__)
def test_optimization_level(level, monkeypatch):
    levels, session = [], onnxruntime.InferenceSession

    def spy(graph, options, **settings):
        levels.append(options.graph_optimization_level.name)
        return session(graph, options, **settings)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    results = cvae.check_golden(cvae.read_bundle(), level=level)
    assert levels == [level] * len(cvae.read_bundle().manifest.graphs)
    assert all(result.agrees for result in results)


def test_graphs_for_other_providers_are_skipped(bundles, tiny, tmp_path, monkeypatch):
    z = cvae.prior_latents(0, 0, 2, 3)
    cases = tuple(
        case_of({"probs": tiny.decode(z).astype(np.float32)}, file=f, z=z) for f in ("decoder.onnx", "x.onnx")
    )
    path = bundles.write(tmp_path / "tiny", cvae.bundle.Golden(cases, ()).to_json().encode())
    data = tiny.decoder()
    (path / "x.onnx").write_bytes(data)
    info = bundles.graph_info(data, "x.onnx", "decoder", *bundles.decoder_io, target="cpu")
    bundles.edit(path, lambda value: value["graphs"].append(json.loads(json.dumps(dataclasses.asdict(info)))))
    bundle, asked = cvae.read_bundle(path), []

    def on_the_cpu(graphs_for, provider, level, **sources):
        asked.append(provider)
        return open_sessions(graphs_for, "cpu", level, **sources)

    monkeypatch.setattr("cvae_runtime._engine.self_check.open_sessions", on_the_cpu)
    assert [result.file for result in cvae.check_golden(bundle)] == ["decoder.onnx", "x.onnx"]
    assert [result.file for result in cvae.check_golden(bundle, "cuda")] == ["decoder.onnx"]
    assert asked == ["cpu", "cpu", "cuda"]


def test_one_wrong_value_disagrees(check, tiny):
    probs = tiny.decode(Z).astype(np.float32)
    probs[1, 2, 3, 0] += 0.1
    (result,) = check(case_of({"probs": probs}))
    assert (result.agrees, result.difference) == (False, pytest.approx(0.1, rel=1e-4))


@pytest.mark.parametrize("shape", [(1, 4, 4, 1), (4, 1), (1,)])
def test_outputs_are_not_broadcast(shape, check):
    zeros = np.zeros((2, 3), np.float32)
    probs = np.full(shape, 0.5, np.float32)  # the decoder's output for zeros, in every pixel
    with pytest.raises(cvae.BundleError, match=r"golden\.json: .*probs.*\(2, 4, 4, 1\)"):
        check(case_of({"probs": probs}, z=zeros))


def test_uint8_does_not_overflow(bundles, tiny_bundle):
    nodes = [helper.make_node("Cast", ["x"], ["levels"], to=TensorProto.UINT8)]
    graph = bundles.make_graph(nodes, [("x", "float32", ("batch", 1))], [("levels", "uint8", ("batch", 1))])
    case = cvae.bundle.GoldenCase(
        "decoder_uint8.onnx", {"x": np.float32([[0]])}, {"levels": np.array([[255]], np.uint8)}, 1.0
    )
    bundle = cvae.read_bundle(tiny_bundle)
    files = {**bundle.files, case.file: graph, "golden.json": cvae.bundle.Golden((case,), ()).to_json().encode()}
    (result,) = cvae.check_golden(dataclasses.replace(bundle, files=files))
    assert (result.difference, result.agrees) == (255.0, False)


@pytest.mark.parametrize(("ulps", "agrees"), [(1, True), (2, False)])
def test_latents_agree_to_one_ulp(ulps, agrees, check):
    z = cvae.prior_latents(7, 40, 2, 3)
    z.view(np.int32)[1, 2] += ulps
    (result,) = check(rng=[cvae.bundle.GoldenLatents(7, 40, 2, 3, z)])
    assert (result.agrees, result.difference) == (agrees, float(ulps))


def test_latents_of_a_wrong_shape(check):
    z = cvae.prior_latents(7, 0, 1, 3)
    with pytest.raises(cvae.BundleError, match=r"golden\.json: .*\(2, 3\).*\(1, 3\)"):
        check(rng=[cvae.bundle.GoldenLatents(7, 0, 2, 3, z)])


def test_a_case_without_outputs(check, tmp_path, refuses):
    message = f"{tmp_path / 'tiny' / 'golden.json'}: a case of decoder.onnx has no outputs; export the bundle again"
    with refuses(cvae.BundleError, message):
        check(case_of({}))


def test_an_unknown_graph(check, tmp_path, refuses):
    message = f"{tmp_path / 'tiny' / 'golden.json'}: names the graph scorer.onnx, which the bundle does not have"
    with refuses(cvae.BundleError, message):
        check(case_of({}, file="scorer.onnx"))


@pytest.mark.parametrize("kind", [{"inputs": {"w": Z}}, {"outputs": {"pixels": Z}}, {"inputs": {"z": Z[:, :2]}}])
def test_vectors_that_do_not_fit_the_graph(kind, check):
    case = cvae.bundle.GoldenCase("decoder.onnx", **{"inputs": {"z": Z}, "outputs": {"probs": Z}, "atol": 1.0, **kind})
    with pytest.raises(cvae.BundleError, match=r"golden\.json: "):
        check(case)


@pytest.fixture(scope="module")
def document():
    latents = cvae.bundle.GoldenLatents(7, 40, 2, 3, cvae.prior_latents(7, 40, 2, 3))
    return json.loads(cvae.bundle.Golden((case_of({"probs": Z}),), (latents,)).to_json())


def refuses_change(document, path, change):
    value = copy.deepcopy(document)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    with pytest.raises(cvae.BundleError, match=r"^golden\.json: not golden vectors: .*; export the bundle again$"):
        cvae.bundle.parse_golden(json.dumps(value), "golden.json")


CASE, ARRAY, RNG = ("cases", 0), ("cases", 0, "inputs", "z"), ("rng", 0)


@pytest.mark.parametrize(
    "path",
    [
        *(("cases",), ("rng",)),
        *((*CASE, name) for name in ("file", "inputs", "outputs", "atol")),
        *((*ARRAY, name) for name in ("dtype", "shape", "data")),
        *((*RNG, name) for name in ("seed", "first", "count", "latent_dim", "z")),
    ],
    ids=str,
)
def test_every_field_is_required(path, document):
    refuses_change(document, path, lambda holder, key: holder.pop(key))
    refuses_change(document, path, lambda holder, key: holder.__setitem__(key, None))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*ARRAY, "dtype"), "float31"),
        ((*ARRAY, "dtype"), "object"),
        ((*ARRAY, "dtype"), "f4,("),  # NumPy raises SyntaxError
        ((*ARRAY, "dtype"), "S4"),
        ((*ARRAY, "dtype"), "float64"),  # half as many as the shape says
        ((*ARRAY, "shape"), [3, 3]),
        ((*ARRAY, "shape"), "2x3"),
        ((*ARRAY, "data"), "A"),
        ((*ARRAY, "data"), "AAAA!"),
        ((*ARRAY, "data"), "AAAA"),  # three bytes
        ((*CASE, "atol"), "small"),
        ((*CASE, "atol"), 10**400),
        ((*CASE, "file"), 5),
        ((*CASE, "inputs"), []),
        ((*RNG, "seed"), "0x7"),
        ((*RNG, "count"), {}),
        ((*RNG, "count"), 1 << 40),  # more than memory holds
        ((*RNG, "count"), -1),
        ((*RNG, "first"), 1 << 63),
        ((*RNG, "latent_dim"), 1e308),
        ((*RNG, "z", "dtype"), "int32"),
        (("cases",), 5),
    ],
    ids=lambda value: str(value)[:40],
)
def test_values_of_a_wrong_type(path, value, document):
    refuses_change(document, path, lambda holder, key: holder.__setitem__(key, value))


@pytest.mark.parametrize(
    "text", ["", "[]", "5", "{", '{"cases": []}', b"\xff", "[" * 100_000], ids=lambda t: str(t)[:20]
)
def test_other_documents_are_rejected(text):
    with pytest.raises(cvae.BundleError, match=r"^golden\.json: not golden vectors: .*; export the bundle again$"):
        cvae.bundle.parse_golden(text, "golden.json")


def test_safetensors_hold_the_same_vectors():
    numpy = pytest.importorskip("safetensors.numpy", reason="the package safetensors is not installed")
    golden = parse_golden((cvae.packaged_bundle() / "golden.json").read_bytes(), "golden.json")
    twice = dataclasses.replace(golden, cases=(*golden.cases, golden.cases[0]))
    found = numpy.load(twice.to_safetensors())
    expected = {}
    for case, n in zip(twice.cases, [0] * len(golden.cases) + [1], strict=True):
        for kind in ("inputs", "outputs"):
            expected |= {f"{case.file}/{n}/{kind}/{name}": array for name, array in getattr(case, kind).items()}
        expected[f"{case.file}/{n}/atol"] = np.array(case.atol)
    for n, latents in enumerate(golden.rng):
        expected |= {f"rng/{n}/seed": np.uint64(latents.seed), f"rng/{n}/first": np.uint64(latents.first)}
        expected[f"rng/{n}/z"] = latents.z
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_bytes_of_safetensors():
    arrays = {"b": np.array([True, False]), "a": np.array([1, -2], np.int16)}
    header = (
        b'{"a":{"dtype":"I16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BOOL","shape":[2],"data_offsets":[4,6]}}'
    )
    padded = header.ljust(len(header) + -len(header) % 8)
    assert to_safetensors(arrays) == len(padded).to_bytes(8, "little") + padded + b"\1\0\xfe\xff\1\0"
