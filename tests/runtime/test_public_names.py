"""The public names: just these, each with its documentation."""

import ast
import inspect
from pathlib import Path

import pytest

import cvae_runtime as cvae

NAMES = [
    *(
        "EVALUATION_SEED",
        "MANIFEST_NAME",
        "PICTURE_FORMATS",
        "PICTURE_SUFFIXES",
        "PROBABILITY_FLOOR",
        "PROVIDERS",
        "RNG_NAME",
        "Precision",
        "Target",
    ),
    *(
        "allowed_cores",
        "check_page",
        "describe_passed_over",
        "discretized_logistic_log_likelihood",
        "discretized_logistic_mixture_log_likelihood",
        "evenly_spaced",
        "file_kind",
        "gaussian_kl_per_dimension",
        "is_single_file",
        "log_likelihood",
        "look_at_cut",
        "npz_names",
        "score_images",
        "write_page",
    ),
    *("Bundle", "BundleError", "CvaeError", "Golden", "GoldenCase", "GoldenInfo"),
    *("GoldenLatents", "GoldenResult", "GraphInfo", "InputError", "IntegrityError", "Manifest", "MissingExtraError"),
    *("Model", "ModelInfo", "Posterior", "Preprocessing", "ProviderError", "Scores", "TargetExistsError"),
    *("TensorInfo", "Training", "Verified", "as_images", "bernoulli_log_likelihood", "check_golden", "check_seed"),
    *("encode_gif", "encode_png", "gaussian_kl", "load", "new_folder", "npy_bytes", "npz_bytes", "packaged_bundle"),
    *(
        "parse_golden",
        "parse_json",
        "parse_manifest",
        "printable_values",
        "picture_grid",
        "posterior_noise",
        "prior_latents",
        "read_bundle",
        "read_idx",
    ),
    *("available_memory", "encoded_shape", "find_pictures", "fit_picture", "picture_shape", "read_picture", "spans"),
    *("read_images", "read_npy", "read_npz", "refuse_existing", "reparameterize", "require", "targets_of", "to_uint8"),
    *("hold_folder", "refuse_special", "remove_temporary", "write_file"),
    *("BUNDLE_LAYOUT", "Layout", "check_replaceable", "make_folder", "move_file", "refuse_existing_folder"),
]


def test_the_public_names_are_these():
    assert cvae.__all__ == sorted(cvae.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert sorted(cvae.__all__) == sorted(NAMES)


def test_what_is_imported_is_what_is_public():
    tree = ast.parse(Path(cvae.__file__).read_text())
    imported = [alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    names = [alias.asname or alias.name for alias in imported]
    assert sorted(name for name in names if name[0] != "_") == sorted(cvae.__all__)


def test_modules_but_the_shared_command_line_and_ray_are_private():
    names = {path.stem for path in Path(cvae.__file__).parent.glob("*.py")} - {"__init__"}
    assert {name for name in names if not name.startswith("_")} == {"cli", "ray"}


@pytest.mark.parametrize("name", [name for name in NAMES if not name.isupper() and name not in ("Precision", "Target")])
def test_a_public_name_is_documented(name):
    thing = getattr(cvae, name)
    assert thing.__module__.startswith("cvae_runtime._")
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        methods = [m for m in vars(thing).values() if inspect.isfunction(m) and not m.__name__.startswith("_")]
        assert [method.__name__ for method in methods if not inspect.getdoc(method)] == []


def test_the_model_s_methods_are_those_of_the_design():
    methods = {name for name in dir(cvae.Model) if not name.startswith("_")}
    assert methods >= {"generate", "encode", "decode", "reconstruct", "score", "receipt", "close"}
    assert methods >= {"interpolate", "traverse", "manifold", "rank_dimensions"}
    signature = inspect.signature(cvae.load)
    assert {name: p.default for name, p in signature.parameters.items()} == {
        "path": None,
        "provider": "auto",
        "precision": "float32",
        "threads": None,
        "provider_options": None,
    }


def test_the_constants_are_those_of_the_design():
    assert (cvae.MANIFEST_NAME, cvae.RNG_NAME) == ("manifest.json", "threefry2x32-20/box-muller")
