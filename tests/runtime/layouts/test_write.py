"""`cvae-pack`: Triton's configuration, MLflow's model, and the repository of Hugging Face with its model card."""

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

import cvae_runtime as cvae
from cvae_runtime import pyfunc
from cvae_runtime._commands.pack import command
from cvae_runtime._layouts import LAYOUTS, write_layout
from cvae_runtime._layouts.triton import _config, triton_files
from cvae_runtime.bundle import GraphInfo, TensorInfo, Verified

GOLDEN = Path(__file__).parents[2] / "golden"
BUNDLES = [cvae.packaged_bundle(), GOLDEN / "learned"]


def graph_of(inputs, outputs, target="portable"):
    tensors = [tuple(TensorInfo(*tensor) for tensor in part) for part in (inputs, outputs)]
    return GraphInfo("role", target, "float32", "a.onnx", 1, "0" * 64, 15, 8, (), *tensors, Verified({}, None, None))


def test_triton_batches_along_the_first_axis():
    graph = graph_of(
        [("z", "float32", ("batch", 3)), ("label", "int64", ("batch",))],
        [("probs", "uint8", ("batch", 4, 4, 1))],
        "cpu",
    )
    assert _config(graph) == (
        'backend: "onnxruntime"\nmax_batch_size: 256\n'
        'input [\n  {\n    name: "z"\n    data_type: TYPE_FP32\n    dims: [ 3 ]\n  },\n'
        '  {\n    name: "label"\n    data_type: TYPE_INT64\n    dims: [ 1 ]\n    reshape: { shape: [ ] }\n  }\n]\n'
        'output [\n  {\n    name: "probs"\n    data_type: TYPE_UINT8\n    dims: [ 4, 4, 1 ]\n  }\n]\n'
        "dynamic_batching { }\ninstance_group [\n  {\n    kind: KIND_CPU\n  }\n]\n"
    )


def test_triton_does_not_batch_graphs_with_another_first_axis():
    graph = graph_of(
        [("noise", "float32", ("samples", "batch", 3)), ("count", "int64", ())], [("elbo", "float32", ("batch",))]
    )
    assert _config(graph) == (
        'backend: "onnxruntime"\nmax_batch_size: 0\n'
        'input [\n  {\n    name: "noise"\n    data_type: TYPE_FP32\n    dims: [ -1, -1, 3 ]\n  },\n'
        '  {\n    name: "count"\n    data_type: TYPE_INT64\n    dims: [ 1 ]\n  }\n]\n'
        'output [\n  {\n    name: "elbo"\n    data_type: TYPE_FP32\n    dims: [ -1 ]\n  }\n]\n'
    )


def test_triton_knows_the_type():
    with pytest.raises(cvae.InputError) as caught:
        _config(graph_of([("z", "complex64", ("batch",))], []))
    assert str(caught.value).startswith("a.onnx: z: expected one of bool, int8, ")
    assert str(caught.value).endswith(", found complex64; export the bundle again")


@pytest.mark.parametrize("path", BUNDLES, ids=["format 1", "format 2"])
def test_triton_has_a_model_for_each_graph(path):
    bundle = cvae.read_bundle(path)
    files = triton_files(bundle)
    names = [Path(graph.file).stem for graph in bundle.manifest.graphs]
    expected = {f"{name}/{file}" for name in names for file in ("config.pbtxt", "1/model.onnx")}
    assert files.keys() == expected | {"manifest.json"}
    assert all(files[f"{name}/1/model.onnx"] == bundle.files[f"{name}.onnx"] for name in names)
    assert all(b"max_batch_size: 256\n" in files[f"{name}/config.pbtxt"] for name in names)


def test_mlflow_names_loader_data_and_parameters(tmp_path):
    write_layout(cvae.read_bundle(), "mlflow", tmp_path / "model")
    model = yaml.safe_load((tmp_path / "model" / "MLmodel").read_text())
    flavor = model["flavors"]["python_function"]
    assert (flavor["data"], flavor["loader_module"]) == ("bundle", "cvae_runtime.pyfunc")
    assert flavor["config"] == {"provider": "auto", "precision": "float32", "threads": None}
    names = [param["name"] for param in json.loads(model["signature"]["params"])]
    assert names == ["task", "seed", "temperature", "samples", "label", "labels"]
    environment = yaml.safe_load((tmp_path / "model" / flavor["env"]["virtualenv"]).read_text())
    assert environment["dependencies"] == ["-r requirements.txt"]
    assert re.fullmatch(r"cvae-toolkit\[cpu\](==\S+)?\n", (tmp_path / "model" / "requirements.txt").read_text())
    loaded = pyfunc._load_pyfunc(tmp_path / "model" / "bundle", {"provider": "cpu", "threads": 1})
    with cvae.load(provider="cpu", threads=1) as whole:
        expected = whole.generate(3, seed=7)
        np.testing.assert_array_equal(loaded.predict([0, 1, 2], {"seed": 7}), expected)


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")  # of MLflow's own functions
def test_mlflow_loads_the_model(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = importlib.import_module("mlflow.pyfunc")
    write_layout(cvae.read_bundle(GOLDEN / "learned"), "mlflow", tmp_path / "model")
    model = mlflow.load_model(str(tmp_path / "model"))
    images = model.predict(np.array([0, 1, 40]), params={"seed": 7})
    with cvae.load(GOLDEN / "learned", provider="cpu") as whole:
        np.testing.assert_allclose(images[2], whole.generate(1, seed=7, first=40)[0], rtol=0, atol=1e-5)


def test_pyfunc_tasks(labelled_bundle, tiny):
    images = tiny.images[:3]
    with cvae.load(labelled_bundle, provider="cpu") as model:
        loaded = pyfunc.PyfuncModel(model)
        rows = images.reshape(3, -1).astype(float).tolist()
        found = loaded.predict(rows, {"task": "encode", "label": "10"})
        np.testing.assert_array_equal(found["mean"], model.encode(images, label="10").mean)
        found = loaded.predict(images, {"task": "score", "samples": 2, "labels": ["2", "x", "2"]})
        np.testing.assert_array_equal(found["elbo"], model.score(images, samples=2, labels=["2", "x", "2"]).elbo)
        found = loaded.predict(images, {"task": "classify", "seed": 3})
        np.testing.assert_array_equal(found, model.classify(images, seed=3))
        found = loaded.predict(images, {"task": "reconstruct"})
        np.testing.assert_array_equal(found, model.reconstruct(images))
        z = np.zeros((2, 3))
        np.testing.assert_array_equal(loaded.predict(z, {"task": "decode"}), model.decode(z.astype(np.float32)))
        found = loaded.predict([[5], [6]], {"labels": ["2", "x"], "temperature": 0.5})
        expected = model.generate(2, first=5, labels=["2", "x"], temperature=0.5)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("data", "params", "message"),
    [
        ([0], {"task": "draw"}, "task: expected one of generate, decode, encode, reconstruct, score, classify; found 'draw'"),
        ([[0, 1]], {}, "generate: expected indices of samples, shape (N,), found shape (1, 2)"),
        ([0.5], {}, "generate: expected indices of samples, 0 to 9223372036854775807, found others; convert them first"),
        ([[300] * 16], {"task": "encode"}, "images: expected whole numbers, 0 to 255, found others; convert them first"),
        ([[0] * 15], {"task": "encode"}, "images: expected shape (N, 4, 4, 1), found (1, 15)"),
        ([0, 1], {"labels": ["2"]}, "labels: expected 2, one for each sample, found 1"),
    ],
)  # fmt: skip
def test_pyfunc_errors(tiny_model, data, params, message):
    with pytest.raises(cvae.InputError) as caught:
        pyfunc.PyfuncModel(tiny_model).predict(data, params)
    assert str(caught.value) == message


@pytest.mark.parametrize("path", BUNDLES, ids=["format 1", "format 2"])
def test_huggingface_holds_the_bundle_and_a_card(path, tmp_path):
    bundle = cvae.read_bundle(path)
    write_layout(bundle, "huggingface", tmp_path / "repository", license_id="apache-2.0")
    assert cvae.read_bundle(tmp_path / "repository" / "onnx").files == bundle.files
    config = json.loads((tmp_path / "repository" / "config.json").read_text())
    assert (config["model_type"], config["latent_dim"]) == ("cvae", bundle.manifest.model.latent_dim)
    assert (tmp_path / "repository" / "samples.png").read_bytes().startswith(b"\x89PNG")
    _, front, text = (tmp_path / "repository" / "README.md").read_text().split("---\n", 2)
    metadata = yaml.safe_load(front)
    assert (metadata["license"], metadata["library_name"]) == ("apache-2.0", "onnx")
    (result,) = metadata["model-index"][0]["results"]
    training = bundle.manifest.training
    assert result["metrics"][0]["value"] == training.test_elbo
    assert f"{training.test_elbo:.2f} ± {training.test_elbo_stderr:.2f} nats per image" in text
    assert f"over {training.test_images:,} test images, one draw of the posterior per image" in text
    headings = ["Model", "Data", "Figures", "Licence", "Limits", "Use"]
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == headings
    assert re.findall(r"^\*\*(.*?)\*\*", text, re.MULTILINE) == [
        "Python", "JavaScript", "C, Rust and Go", "C++", "Other runtimes of ONNX"
    ]  # fmt: skip
    learned = bundle.manifest.model.prior is not None
    assert ("with a learned prior" in text, "`prior.onnx`, and its `z` to `decoder.onnx`" in text) == (learned, learned)


def test_the_card_of_a_model_with_labels(labelled_bundle, tmp_path):
    write_layout(cvae.read_bundle(labelled_bundle), "huggingface", tmp_path / "repository")
    text = (tmp_path / "repository" / "README.md").read_text()
    assert "| classes | 2, 10, x |\n" in text
    assert "Each row is a class: 2, 10, x.\n" in text
    assert 'model.generate(16, seed=0, label="2")' in text
    assert "license:" not in text
    assert "The bundle states none. Ask the author of the model." in text


def test_the_card_of_a_detector(tmp_path):
    write_layout(cvae.read_bundle(GOLDEN / "detector"), "huggingface", tmp_path / "repository")
    text = (tmp_path / "repository" / "README.md").read_text()
    assert "| detector | elbo, k = 2, calibrated on 29 images; alarm if p ≤ 0.1 |\n" in text
    assert "Calibrate a threshold" not in text


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_same_layout_is_overwritten(layout, tmp_path):
    bundle, target = cvae.read_bundle(), tmp_path / "out"
    sizes = write_layout(bundle, layout, target)
    files = {path.relative_to(target).as_posix(): path.stat().st_size for path in target.rglob("*") if path.is_file()}
    assert files == sizes
    with pytest.raises(cvae.TargetExistsError):
        write_layout(bundle, layout, target)
    assert write_layout(bundle, layout, target, overwrite=True) == sizes
    (target / "notes.txt").write_text("mine")
    with pytest.raises(cvae.TargetExistsError, match=r"found notes\.txt"):
        write_layout(bundle, layout, target, overwrite=True)
    other = LAYOUTS[LAYOUTS.index(layout) - 1]
    (target / "notes.txt").unlink()
    with pytest.raises(cvae.TargetExistsError):
        write_layout(bundle, other, target, overwrite=True)


def test_the_command(tmp_path, capsys):
    target = tmp_path / "models"
    command.main(["--layout", "triton", "-o", str(target), "--json"], standalone_mode=False)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["output"], printed["layout"]) == (str(target), "triton")
    assert printed["files"]["decoder/1/model.onnx"] == (cvae.packaged_bundle() / "decoder.onnx").stat().st_size
    for layout, license_id, message in (
        ("triton", "mit", "license: expected with the layout huggingface, found it with triton; leave it out"),
        ("huggingface", "MIT!", "license: expected an identifier such as apache-2.0, found 'MIT!'; name another"),
    ):
        with pytest.raises(cvae.InputError) as caught:
            command.main(
                ["--layout", layout, "--license", license_id, "-o", str(tmp_path / "a")], standalone_mode=False
            )
        assert str(caught.value) == message
