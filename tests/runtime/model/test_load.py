"""`load`: the choice of graphs, checks of a bundle's graphs, pickling and closed models."""

import dataclasses
import hashlib
import json
import multiprocessing
import pickle

import numpy as np
import onnxruntime
import pytest
from onnx import helper

import cvae_runtime as cvae
from cvae_runtime._bundle.select import choose_graph


def with_variants(manifest, *variants):
    """Return a manifest with more graphs (role, target, precision), each in a file of that name."""
    more = [
        dataclasses.replace(manifest.graphs[0], role=role, target=target, precision=precision, file="_".join(variant))
        for variant in variants
        for role, target, precision in [variant]
    ]
    return dataclasses.replace(manifest, graphs=(*manifest.graphs, *more))


def add_graph(bundles, folder, data, target, precision):
    """Put another decoder into a bundle."""
    name = f"decoder_{target}_{precision}.onnx"
    (folder / name).write_bytes(data)
    info = bundles.graph_info(data, name, "decoder", *bundles.decoder_io, target, precision)
    bundles.edit(folder, lambda manifest: manifest["graphs"].append(json.loads(json.dumps(dataclasses.asdict(info)))))


@pytest.mark.parametrize(
    ("precision", "encoder", "decoder"),
    [
        ("float32", "encoder.onnx", "decoder_cpu_float32"),
        ("int8", "encoder.onnx", "decoder_cpu_int8"),
        ("float16", "encoder_portable_float16", "decoder_cpu_float32"),
    ],
)
def test_the_choice_of_a_graph(precision, encoder, decoder, bundles):
    manifest = with_variants(
        bundles.manifest(),
        ("decoder", "portable", "int8"),
        ("decoder", "cpu", "int8"),
        ("decoder", "cpu", "float32"),
        ("encoder", "portable", "float16"),
        ("scorer", "cpu", "float32"),
    )
    assert choose_graph(manifest, "encoder", precision, "cpu").file == encoder
    assert choose_graph(manifest, "decoder", precision, "cpu").file == decoder


def test_other_providers_get_no_graphs_for_the_cpu(bundles):
    manifest = with_variants(bundles.manifest(), ("decoder", "cpu", "float32"), ("decoder", "cpu", "int8"))
    for provider in set(cvae.PROVIDERS) - {"cpu"}:
        assert choose_graph(manifest, "decoder", "float32", provider).file == "decoder.onnx"
        assert choose_graph(manifest, "decoder", "int8", provider).file == "decoder.onnx"


def test_a_precision_without_a_graph(bundles, tiny_bundle, refuses):
    message = "precision float16: the bundle has graphs in float32; choose one of them"
    with refuses(cvae.InputError, message):
        cvae.load(tiny_bundle, precision="float16")
    manifest = with_variants(bundles.manifest(), ("decoder", "cpu", "int8"))
    with refuses(cvae.InputError, message.replace("float32", "float32, int8")):
        choose_graph(manifest, "decoder", "float16", "cpu")


def test_the_chosen_graph_is_the_one_that_runs(bundles, tiny, tiny_bundle):
    nodes = [
        helper.make_node("MatMul", ["z", "weights"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["zeros"]),
        helper.make_node("Add", ["zeros", "level"], ["probs"]),
    ]
    for level, (target, precision) in {0.25: ("cpu", "float32"), 0.75: ("portable", "int8")}.items():
        constants = {"weights": np.zeros((3, 16), np.float32), "shape": np.array([-1, 4, 4, 1])}
        graph = bundles.make_graph(nodes, *bundles.decoder_io, level=np.float32(level), **constants)
        add_graph(bundles, tiny_bundle, graph, target, precision)
    for precision, level in {"float32": 0.25, "int8": 0.75}.items():
        with cvae.load(tiny_bundle, provider="cpu", precision=precision) as model:
            assert (model.generate(3) == np.float32(level)).all()
            np.testing.assert_allclose(model.encode(tiny.images).mean, tiny.encode(tiny.images)[0], atol=1e-5)


def test_unknown_names_raise_before_the_bundle_is_read(tmp_path, refuses):
    with refuses(cvae.InputError, "precision must be one of float32, float16, int8; found 'float64'"):
        cvae.load(tmp_path / "none", precision="float64")
    with refuses(
        cvae.InputError,
        "provider must be one of auto, cpu, cuda, tensorrt, openvino, webgpu, coreml, directml; found 'tpu'",
    ):
        cvae.load(tmp_path / "none", provider="tpu")
    with refuses(cvae.InputError, "threads must be 1 to 1024; found 0"):
        cvae.load(threads=0)


def test_a_graph_that_differs_from_the_manifest(tiny_bundle, bundles, refuses):
    bundles.edit(tiny_bundle, lambda manifest: manifest["graphs"][1]["inputs"][0].update(shape=["batch", 4]))
    message = (
        f"{tiny_bundle / 'decoder.onnx'}: expected the inputs z float32 ['batch', 4], among them z float32 ['batch', 3]; "
        f"found z float32 ['batch', 3]; export the bundle again"
    )
    with refuses(cvae.BundleError, message):
        cvae.load(tiny_bundle, provider="cpu")


def test_a_graph_without_a_required_output(bundles, tiny, tiny_bundle, refuses):
    nodes = [
        helper.make_node("MatMul", ["z", "weights"], ["logits"]),
        helper.make_node("Reshape", ["logits", "shape"], ["image"]),
    ]
    outputs = [("image", "float32", ("batch", 4, 4, 1))]
    shape = np.array([-1, 4, 4, 1])
    graph = bundles.make_graph(nodes, bundles.decoder_io[0], outputs, weights=tiny.decoder_weights, shape=shape)
    info = bundles.graph_info(graph, "decoder.onnx", "decoder", bundles.decoder_io[0], outputs)
    (tiny_bundle / "decoder.onnx").write_bytes(graph)
    change = {"bytes": info.bytes, "sha256": info.sha256}
    bundles.edit(tiny_bundle, lambda manifest: manifest["graphs"][1].update(change))
    message = (
        f"{tiny_bundle / 'decoder.onnx'}: expected the outputs probs float32 ['batch', 4, 4, 1], among them probs float32 ['batch', 4, 4, 1]; "
        f"found image float32 ['batch', 4, 4, 1]; export the bundle again"
    )
    with refuses(cvae.BundleError, message):
        cvae.load(tiny_bundle, provider="cpu")


def test_a_graph_without_the_scale(bundles, tiny, tmp_path, refuses):
    path = bundles.write(tmp_path / "logistic", decoder=tiny.decoder(), likelihood="discretized-logistic")
    probs, log_scale = (f"{name} float32 ['batch', 4, 4, 1]" for name in ("probs", "log_scale"))
    message = (
        f"{path / 'decoder.onnx'}: expected the outputs {probs}, {log_scale}, among them {probs}, {log_scale}; "
        f"found {probs}; export the bundle again"
    )
    with refuses(cvae.BundleError, message):
        cvae.load(path, provider="cpu")


@pytest.mark.parametrize("size", [3, "K", 0])
def test_components_of_a_mixture_are_consistent(size, bundles, tmp_path, refuses):
    likelihood = "discretized-logistic-mixture"
    path = bundles.write(tmp_path / "mixture", likelihood=likelihood)
    told = [("probs", ""), ("location", f", {size!r}"), ("log_scale", ", 2"), ("mixture_logits", ", 2")]
    need = [(name, (name != "probs" and f", {size if size == 3 else 1}") or "") for name, _ in told]
    found = [(name, (name != "probs" and ", 2") or "") for name, _ in told]
    told, need, found = (
        ", ".join(f"{name} float32 ['batch', 4, 4, 1{last}]" for name, last in tensors)
        for tensors in (told, need, found)
    )
    bundles.edit(path, lambda manifest: manifest["graphs"][1]["outputs"][1].update(shape=["batch", 4, 4, 1, size]))
    message = f"{path / 'decoder.onnx'}: expected the outputs {told}, among them {need}; found {found}; export the bundle again"
    with refuses(cvae.BundleError, message):
        cvae.load(path, provider="cpu")


@pytest.mark.parametrize(("field", "value"), [("latent_dim", 4), ("image_shape", [4, 5, 1])])
def test_graphs_of_another_model(field, value, tiny_bundle, bundles):
    bundles.edit(tiny_bundle, lambda manifest: manifest["model"].update({field: value}))
    with pytest.raises(cvae.BundleError, match=r"coder\.onnx: expected .*; found "):
        cvae.load(tiny_bundle, provider="cpu")


def test_unknown_random_numbers(bundles, tiny, tmp_path, refuses):
    path = bundles.write(tmp_path / "tiny", rng="philox/ziggurat")
    message = (
        "the bundle specifies the random numbers 'philox/ziggurat', this version knows 'threefry2x32-20/box-muller'; "
        "draw latents yourself and decode them"
    )
    with cvae.load(path, provider="cpu") as model:
        calls = [
            lambda: model.generate(1),
            lambda: model.reconstruct(tiny.images, sample=True),
            lambda: model.score(tiny.images),
            lambda: model.stream(1),
        ]
        for call in calls:
            with refuses(cvae.InputError, message):
                call()
        assert model.decode(np.zeros((1, 3), np.float32)).shape == (1, 4, 4, 1)
        assert model.reconstruct(tiny.images).shape == (11, 4, 4, 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_closed_model_raises(threads, tiny_bundle, tiny):
    with cvae.load(tiny_bundle, provider="cpu", threads=threads) as model:
        assert model.generate(40).shape == (40, 4, 4, 1)
    for call in (lambda: model.generate(40), lambda: model.generate(1), lambda: model.encode(tiny.images)):
        with pytest.raises(cvae.CvaeError, match="closed"):
            call()
    model.close()  # a second time is fine


@pytest.mark.parametrize("threads", [None, 3])
def test_pickling(threads, tiny_bundle, monkeypatch):
    monkeypatch.chdir(tiny_bundle.parent)
    with cvae.load("tiny", provider="cpu", threads=threads) as model:
        pickled = pickle.dumps(model)
        monkeypatch.chdir("/")
        with pickle.loads(pickled) as again:
            expected = model.receipt()
            expected["bundle"]["path"] = str(tiny_bundle)
            assert again.receipt() == expected
            assert (again.generate(40, seed=3) == model.generate(40, seed=3)).all()
    assert len(pickled) < 1000  # no weights


def test_the_arguments_of_load_are_pickled(tiny_bundle, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with cvae.load(tiny_bundle) as model:
        monkeypatch.setattr("cvae_runtime._engine.scheduler.allowed_cores", lambda: 7)
        with pickle.loads(pickle.dumps(model)) as again:
            assert again.receipt()["provider"]["requested"] == "auto"
            assert again.receipt()["threads"] == 7


@pytest.mark.parametrize("name", ["mnist", "mnist-unlabelled"])
def test_a_packaged_model_is_pickled_without_a_path(name):
    bundle = cvae.packaged_bundle(name)
    with cvae.load(bundle, provider="cpu", threads=1) as model:
        pickled = pickle.dumps(model)
        assert str(bundle.parent).encode() not in pickled
        with pickle.loads(pickled) as again:
            assert again.receipt() == model.receipt()


def test_unpickling_checks_the_hash(tiny_bundle, bundles, refuses):
    with cvae.load(tiny_bundle, provider="cpu") as model:
        pickled = pickle.dumps(model)
    before = hashlib.sha256((tiny_bundle / "manifest.json").read_bytes()).hexdigest()
    bundles.edit(tiny_bundle, lambda manifest: manifest["training"].update(test_elbo=-9.0))
    after = hashlib.sha256((tiny_bundle / "manifest.json").read_bytes()).hexdigest()
    message = (
        f"{tiny_bundle / 'manifest.json'}: expected SHA-256 {before}, found {after}; this is another bundle: "
        f"put the expected one there"
    )
    with refuses(cvae.IntegrityError, message):
        pickle.loads(pickled)


def test_a_closed_model_is_not_pickled(tiny_bundle, refuses):
    with cvae.load(tiny_bundle, provider="cpu") as model:
        pass
    with refuses(cvae.InputError, "the model is closed; load it again"):
        pickle.dumps(model)


def test_a_model_in_a_spawned_worker(tiny_bundle):
    # Like a pool: the worker can import this function, but not one of a test.
    with cvae.load(tiny_bundle, provider="cpu") as model:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            images = pool.apply(cvae.Model.generate, (model, 20), {"seed": 5})
        assert (images == model.generate(20, seed=5)).all()


def test_bits_do_not_depend_on_threads(packaged_model):
    images = (packaged_model.generate(40, seed=7) * 255).astype(np.uint8)
    outcomes = []
    for threads in (1, 4):
        with cvae.load(provider="cpu", threads=threads) as model:
            posterior = model.encode(images)
            outcomes.append([model.generate(40, seed=7), posterior.mean, posterior.logvar, model.reconstruct(images)])
    assert all((one == four).all() for one, four in zip(*outcomes, strict=True))
    assert (outcomes[0][0] == packaged_model.generate(40, seed=7)).all()


def test_samples_score_higher_than_noise(packaged_model):
    samples = (packaged_model.generate(20, seed=1) * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, samples.shape, np.uint8)
    assert packaged_model.score(samples).elbo.min() > packaged_model.score(noise).elbo.max()
