"""The public names and their docstrings."""

import ast
import doctest
import importlib
import importlib.metadata
import inspect
import itertools
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime as cvae
import cvae_runtime.bundle
import cvae_runtime.random
from cvae_runtime._engine import providers

NAMES = {
    "cvae_runtime": [
        "PROVIDERS",
        "Bundle",
        "BundleError",
        "CvaeError",
        "InputError",
        "IntegrityError",
        "MissingExtraError",
        "Model",
        "ParityError",
        "Posterior",
        "Provider",
        "ProviderError",
        "Scores",
        "TargetExistsError",
        "check_golden",
        "encode_gif",
        "encode_png",
        "image_grid",
        "load",
        "packaged_bundle",
        "posterior_noise",
        "prior_latents",
        "read_bundle",
        "read_images",
        "show",
        "to_uint8",
    ],
    "cvae_runtime.bundle": [
        "BUNDLE_LAYOUT",
        "MANIFEST_NAME",
        "Bundle",
        "FileInfo",
        "Golden",
        "GoldenCase",
        "GoldenLatents",
        "GoldenResult",
        "GraphInfo",
        "Manifest",
        "ModelInfo",
        "Precision",
        "Preprocessing",
        "Target",
        "TensorInfo",
        "Training",
        "Verified",
        "check_golden",
        "packaged_bundle",
        "parse_golden",
        "parse_manifest",
        "read_bundle",
    ],
    "cvae_runtime.elbo": [
        "EVALUATION_SEED",
        "PROBABILITY_FLOOR",
        "bernoulli_log_likelihood",
        "discretized_logistic_log_likelihood",
        "discretized_logistic_mixture_log_likelihood",
        "gaussian_kl",
        "gaussian_kl_per_dimension",
        "log_likelihood",
        "reparameterize",
        "score_images",
        "targets_of",
    ],
    "cvae_runtime.files": [
        "Layout",
        "check_replaceable",
        "lock_directory",
        "make_folder",
        "move_file",
        "new_folder",
        "parse_json",
        "refuse_existing",
        "refuse_existing_folder",
        "refuse_special",
        "remove_temporary",
        "write_file",
    ],
    "cvae_runtime.images": [
        "IMAGE_FORMATS",
        "IMAGE_SUFFIXES",
        "as_images",
        "describe_skipped",
        "encode_gif",
        "encode_png",
        "encoded_shape",
        "evenly_spaced",
        "file_kind",
        "find_images",
        "fit_image",
        "image_grid",
        "look_at_cut",
        "npy_bytes",
        "npz_bytes",
        "npz_names",
        "read_idx",
        "read_image",
        "read_images",
        "read_npy",
        "read_npz",
        "shape_of_images",
        "spans",
        "to_uint8",
    ],
    "cvae_runtime.random": [
        "RNG_NAME",
        "check_seed",
        "posterior_noise",
        "prior_latents",
    ],
    "cvae_runtime.sessions": [
        "micro_batch_of",
        "open_session",
    ],
    "cvae_runtime.system": [
        "allowed_cores",
        "available_memory",
        "printable_values",
        "require",
        "shell_quote",
    ],
    "cvae_runtime.web": [
        "check_page",
        "is_single_file",
        "write_page",
    ],
}
CONSTANTS = {"Precision", "Provider", "Target"}


def modules():
    return {name: importlib.import_module(name) for name in NAMES}


def test_public_names():
    assert {name: module.__all__ for name, module in modules().items()} == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_all_imports_are_public(name):
    tree = ast.parse(Path(modules()[name].__file__).read_text())
    imported = [alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    names = [alias.asname or alias.name for alias in imported]
    assert sorted(name for name in names if name[0] != "_") == sorted(NAMES[name])


def test_public_modules():
    found = {path.stem for path in Path(cvae.__file__).parent.glob("*.py")} - {"__init__"}
    public = {name.partition(".")[2] for name in NAMES} - {""}
    assert {name for name in found if not name.startswith("_")} == {"cli", "ray", *public}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (module, name)
        for module, names in NAMES.items()
        for name in names
        if not name.isupper() and name not in CONSTANTS
    ],
)
def test_public_names_are_documented(module, name):
    thing = getattr(modules()[module], name)
    assert thing.__module__.startswith("cvae_runtime._")
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        methods = [m for m in vars(thing).values() if inspect.isfunction(m) and not m.__name__.startswith("_")]
        assert [method.__name__ for method in methods if not inspect.getdoc(method)] == []


def examples():
    """The examples of all public names of the package; those of constants follow the assignment."""
    parser, names = doctest.DocTestParser(), {"cvae": cvae, "np": np}
    for name in cvae.__all__:
        thing = getattr(cvae, name)
        text = CONSTANT_DOCS.get(name) or inspect.getdoc(thing)
        yield parser.get_doctest(text, dict(names), name, None, None)


CONSTANT_DOCS = {
    node.targets[0].id: doc.value.value
    for node, doc in itertools.pairwise(ast.parse(inspect.getsource(providers)).body)
    if isinstance(node, ast.Assign) and isinstance(doc, ast.Expr)
}


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.name)
def test_every_name_has_an_example_that_works(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert example.examples
    report = []
    doctest.DocTestRunner().run(example, out=report.append)
    assert report == []


def test_methods_of_the_model():
    methods = {name for name in dir(cvae.Model) if not name.startswith("_")}
    assert methods == {
        *("generate", "stream", "encode", "decode", "reconstruct", "score"),
        *("interpolate", "traverse", "manifold", "rank_dimensions"),
        *("micro_batch", "tune", "receipt", "close"),
    }
    signature = inspect.signature(cvae.load)
    assert {name: p.default for name, p in signature.parameters.items()} == {
        "path": None,
        "provider": "auto",
        "precision": "float32",
        "threads": None,
        "provider_options": None,
    }


def test_the_version_is_the_distribution_s(monkeypatch):
    assert cvae.__version__ == importlib.metadata.version("cvae-toolkit")
    monkeypatch.setattr(cvae, "_distribution_version", lambda _name: None)
    assert cvae.__version__ == "0+unknown"
    with pytest.raises(AttributeError, match="^module 'cvae_runtime' has no attribute 'generate'$"):
        _ = cvae.generate


def test_constants():
    assert (cvae.bundle.MANIFEST_NAME, cvae.random.RNG_NAME) == ("manifest.json", "threefry2x32-20/box-muller")
