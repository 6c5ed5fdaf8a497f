import json
from importlib import metadata, resources

import jsonschema
import numpy as np
import onnx
import pytest

import cvae_runtime
import cvae_runtime.bundle
from cvae_export import ExportConfig, export
from cvae_runtime import InputError, ParityError, TargetExistsError, check_golden, prior_latents, read_bundle
from cvae_train import Dataset, train


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    return export(trained.path, tmp_path_factory.mktemp("bundles") / "tiny")


def test_files_of_a_bundle(exported):
    assert sorted(path.name for path in exported.path.iterdir()) == [
        "decoder.onnx",
        "encoder.onnx",
        "golden.json",
        "golden.safetensors",
        "manifest.json",
    ]
    assert read_bundle(exported.path).manifest == exported.manifest


def test_manifest_describes_model_and_graphs(exported, tiny_config):
    model = exported.manifest.model
    assert (model.image_shape, model.latent_dim, model.filters) == ((8, 8, 1), 3, (4, 6))
    assert (model.likelihood, model.rng) == ("bernoulli", "threefry2x32-20/box-muller")
    assert (model.preprocessing.scale, model.preprocessing.binarize_at) == (255, 128)
    training = exported.manifest.training
    assert (training.data, training.test_images) == ("set.npz", 13)  # a name, not a path
    assert training.config == json.loads(json.dumps(tiny_config.to_json()))
    assert (training.checkpoint, training.epoch) == ("last", tiny_config.epochs)  # it has no validation images
    assert exported.manifest.versions["tf2onnx"] == metadata.version("tf2onnx")
    encoder, decoder = exported.manifest.graphs
    assert (encoder.role, encoder.target, encoder.precision, encoder.opset, encoder.ir_version) == ("encoder", "portable", "float32", 15, 8)  # fmt: skip
    assert encoder.passes == ("HoistTransposes", "ThresholdAsRelus", "ExplicitSplits")
    assert decoder.passes == ("BiasIntoConvolution", "DenseLayout", "SymmetricPads")
    assert [(t.name, t.dtype, t.shape) for t in encoder.inputs] == [("images", "uint8", ("batch", 8, 8, 1))]
    assert [(t.name, t.dtype, t.shape) for t in decoder.outputs] == [("probs", "float32", ("batch", 8, 8, 1))]
    assert set(encoder.verified.max_abs_difference) == {"mean", "logvar"}
    assert 0.0 <= decoder.verified.max_abs_difference["probs"] < 1e-5


def test_the_manifest_holds_to_its_schema(exported):
    schema = json.loads(resources.files(cvae_runtime).joinpath("manifest.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((exported.path / "manifest.json").read_text()), schema)


def test_graph_metadata(exported):
    props = {p.key: json.loads(p.value) for p in onnx.load(exported.path / "encoder.onnx").metadata_props}
    assert props == {
        "cvae.format": 1,
        "cvae.role": "encoder",
        "cvae.image_shape": [8, 8, 1],
        "cvae.latent_dim": 3,
        "cvae.filters": [4, 6],
        "cvae.likelihood": "bernoulli",
        "cvae.preprocessing": {"scale": 255, "binarize_at": 128},
        "cvae.rng": "threefry2x32-20/box-muller",
    }


def test_golden_vectors_agree_and_are_of_the_right_things(exported):
    bundle = read_bundle(exported.path)
    assert all(result.agrees for result in check_golden(bundle))
    golden = cvae_runtime.bundle.parse_golden(bundle.files["golden.json"], "golden.json")
    assert [case.file for case in golden.cases] == ["encoder.onnx", "decoder.onnx"]
    np.testing.assert_array_equal(golden.cases[1].inputs["z"], prior_latents(0, 0, 4, 3))
    assert golden.cases[0].inputs["images"].shape == (3, 8, 8, 1)


def test_the_runtime_gives_the_trained_models_numbers(exported, trained, tiny_data):
    with cvae_runtime.load(exported.path) as model:
        z = prior_latents(0, 0, 9, 3)
        np.testing.assert_allclose(model.generate(9), trained.model.sample(z), atol=1e-5)
        elbo = model.score(tiny_data.test).elbo.mean()
    assert elbo == pytest.approx(exported.manifest.training.test_elbo, abs=1e-4)
    assert elbo == pytest.approx(trained.history[-1].elbo, abs=1e-3)


def test_grey_models_divide_instead_of_binarizing(trained_grey, tmp_path):
    result = export(trained_grey.path, tmp_path / "grey")
    assert result.manifest.model.preprocessing.binarize_at is None
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    with cvae_runtime.load(result.path) as model:
        mean, _ = trained_grey.model.encode(images / np.float32(255))
        np.testing.assert_allclose(model.encode(images).mean, mean, atol=1e-5)


def test_opset_is_what_was_asked_for(trained, tmp_path):
    result = export(trained.path, tmp_path / "new", ExportConfig(opset=21))
    assert {graph.opset for graph in result.manifest.graphs} == {21}


def test_a_failed_export_leaves_the_old_bundle(trained, tmp_path):
    export(trained.path, tmp_path / "bundle")
    before = {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()}
    with pytest.raises(ParityError):
        export(trained.path, tmp_path / "bundle", ExportConfig(atol=1e-12), overwrite=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()} == before


def test_only_bundles_are_overwritten(trained, tmp_path):
    target = tmp_path / "bundle"
    export(trained.path, target)
    with pytest.raises(TargetExistsError, match="bundle exists already; choose another name or pass --overwrite"):
        export(trained.path, target)
    export(trained.path, target, overwrite=True)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "letter.txt").write_text("x")
    for text in (None, "{}"):
        if text is not None:
            (precious / "manifest.json").write_text(text)
        with pytest.raises(TargetExistsError, match="expected a bundle, found another folder, which is not over"):
            export(trained.path, precious, overwrite=True)
    assert (precious / "letter.txt").exists()
    (target / "thesis.tex").write_text("years of work")
    with pytest.raises(TargetExistsError) as caught:
        export(trained.path, target, overwrite=True)
    assert str(caught.value) == (
        f"{target}: expected a bundle and nothing else, found thesis.tex; only what this project wrote is overwritten: "
        f"move the rest elsewhere, or choose another name"
    )
    assert (target / "thesis.tex").read_text() == "years of work"


def test_a_run_on_arrays_in_memory_needs_data(replaced, tiny_data, tiny_archive, tmp_path):
    result = train(Dataset(tiny_data.train, tiny_data.test), replaced(epochs=1), tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match=r"was trained on arrays in memory; save them .* and pass it with --data"):
        export(result.path, tmp_path / "bundle")
    export(result.path, tmp_path / "bundle", data=tiny_archive)


def test_golden_tolerances(trained, tmp_path):
    result = export(
        trained.path,
        tmp_path / "all",
        ExportConfig(precisions=("float32", "float16", "int8"), keep_slow=True),
        quiet=True,
    )
    golden = cvae_runtime.bundle.parse_golden((result.path / "golden.json").read_bytes(), "golden.json")
    atol = {case.file: case.atol for case in golden.cases if case.file.startswith("decoder")}
    assert atol == {
        "decoder.onnx": pytest.approx(1e-4),
        "decoder_cpu.onnx": pytest.approx(1e-4),
        "decoder_cpu_int8.onnx": 0.05,
        "decoder_fp16.onnx": 0.05,
    }
    assert all(check.agrees for check in check_golden(read_bundle(result.path)))
