import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime import InputError
from cvae_train import PRESETS, ModelConfig, TrainConfig, read_config
from cvae_train._config import default_filters


def test_notebook_preset_is_the_2018_recipe():
    config = PRESETS["notebook"]
    assert config == TrainConfig()
    assert (config.epochs, config.batch_size, config.learning_rate, config.epsilon) == (100, 100, 1e-4, 1e-8)
    assert (config.model.latent_dim, config.model.filters, config.binarize) == (50, (32, 64), "static")


def test_networks_of_presets():
    assert PRESETS["notebook"].model == PRESETS["fast"].model == ModelConfig()
    best = PRESETS["best"].model
    assert (best.architecture, best.prior, best.labels) == ("residual", "learned", ())


@pytest.mark.parametrize(
    ("shape", "filters", "message"),
    [
        ((30, 28, 1), (32, 64), "the image height does not fit 2 layers of stride 2: expected a multiple of 4 (the nearest valid: 28 and 32), found 30; scale the images (cvae-train: --image-size), or use fewer layers"),
        ((28, 27, 1), (32, 64), "the image width does not fit 2 layers of stride 2: expected a multiple of 4 (the nearest valid: 24 and 28), found 27; scale the images (cvae-train: --image-size), or use fewer layers"),
        ((4, 8, 1), (4, 4), "the image height does not fit 2 layers of stride 2: expected a multiple of 4 (the nearest valid: 8), found 4; scale the images (cvae-train: --image-size), or use fewer layers"),
        ((28, 28, 1), (8, 8, 8), "the image height does not fit 3 layers of stride 2: expected a multiple of 8 (the nearest valid: 24 and 32), found 28; scale the images (cvae-train: --image-size), or use fewer layers"),
        ((28, 28, 3), (32, 64), "the bernoulli likelihood expects images of 1 channel, found 3; convert them to grey, or use the likelihood discretized-logistic-mixture with binarize none"),
        ((28, 28, 2), (32, 64), "images must have 1 or 3 channels; found 2"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_work_name_the_nearest_that_do(shape, filters, message):
    with pytest.raises(InputError, match=re.escape(message)):
        ModelConfig(image_shape=shape, filters=filters)


@given(size=st.integers(1, 300), depth=st.integers(1, 4))
def test_sizes_named_as_nearest_work(size, depth):
    filters = (2,) * depth
    try:
        config = ModelConfig(image_shape=(size, size, 1), filters=filters)
    except InputError as error:
        nearest = re.findall(r"\d+", str(error).split("nearest valid: ", 1)[1].split(")")[0])
        for number in map(int, nearest):
            assert ModelConfig(image_shape=(number, number, 1), filters=filters).encoded_size > 0
        assert int(nearest[-1]) > size
        assert len(nearest) == 1 or int(nearest[0]) <= size
    else:
        assert config.base_shape == (size / 2**depth, size / 2**depth)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "epochs must be at least 1; found 0"),
        ("batch_size", -1, "batch_size must be at least 1; found -1"),
        ("learning_rate", 0.0, "learning_rate must be a positive number; found 0.0"),
        ("learning_rate", float("nan"), "learning_rate must be a positive number; found nan"),
        ("epsilon", float("inf"), "epsilon must be a positive number; found inf"),
        ("beta", 10**400, f"beta must be a positive number; found {10**400}"),
        ("free_bits", 10**400, f"free_bits must be a number of at least 0; found {10**400}"),
        ("background", -0.5, "background must be at least 0 and below 1; found -0.5"),
        ("binarize", "half", "binarize must be one of ('static', 'dynamic', 'fixed', 'none'); found 'half'"),
        ("seed", -1, "seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found -1"),
    ],
)
def test_wrong_recipes_are_refused(field, value, message):
    with pytest.raises(InputError) as caught:
        TrainConfig(**{field: value})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("latent_dim", 0, "latent_dim must be at least 1; found 0"),
        ("filters", (), "filters must be one or more positive numbers; found ()"),
        ("filters", (4, 0), "filters must be one or more positive numbers; found (4, 0)"),
        (
            "likelihood",
            "gaussian",
            "likelihood must be one of ('bernoulli', 'discretized-logistic', 'discretized-logistic-mixture'); found 'gaussian'",
        ),
    ],
)
def test_wrong_models_are_refused(field, value, message):
    with pytest.raises(InputError) as caught:
        ModelConfig(**{field: value})
    assert str(caught.value) == message


@pytest.mark.parametrize("likelihood", ["discretized-logistic", "discretized-logistic-mixture"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("binarize", ["static", "dynamic", "fixed"])
def test_pixels_of_256_levels_are_not_binarized(channels, likelihood, binarize):
    model = ModelConfig(image_shape=(28, 28, channels), likelihood=likelihood)
    with pytest.raises(InputError) as caught:
        TrainConfig(model=model, binarize=binarize)
    assert str(caught.value) == (
        f"the likelihood {likelihood} expects pixels of 256 levels, found binarize {binarize!r}; set it to 'none'"
    )
    config = TrainConfig(model=model, binarize="none")
    assert TrainConfig.from_json(config.to_json(), "here") == config


@pytest.mark.parametrize(
    ("architecture", "filters", "convolutions"),
    [("notebook", (32, 64), (32, 64)), ("residual", (16, 32), (16, 32)), ("dense", (200, 200), ())],
)
def test_filters_of_architectures(architecture, filters, convolutions):
    assert default_filters(architecture, (28, 28, 1)) == filters
    assert ModelConfig(filters=filters, architecture=architecture).convolutions == convolutions


def test_dense_networks_take_any_size():
    model = ModelConfig((7, 5, 1), 3, (6, 4, 2), architecture="dense")
    assert (model.padding, model.base_shape) == ((0, 0), (7, 5))
    config = TrainConfig(model=model, binarize="dynamic")
    assert TrainConfig.from_json(config.to_json(), "here") == config


def test_bits_per_dimension_are_of_pixels_of_256_levels():
    model = ModelConfig(image_shape=(4, 8, 3), filters=(4,), likelihood="discretized-logistic")
    assert model.bits_per_dimension(96 * math.log(1 / 256)) == pytest.approx(8.0)  # all levels equally likely
    assert ModelConfig().bits_per_dimension(-77.3) is None


def test_json_and_back_is_the_same_recipe():
    config = TrainConfig(
        model=ModelConfig(image_shape=(16, 24, 1), latent_dim=2, filters=(4,)), seed=2**64 - 1, binarize="none"
    )
    assert TrainConfig.from_json(config.to_json(), "here") == config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"magic": 1}, "run.json: unknown field magic; this version knows model, epochs, batch_size, "),
        ({"model": {"depth": 1}}, "run.json: unknown field model.depth; this version knows image_shape, latent_dim, "),
        ({"epochs": "ten"}, "run.json: epochs: expected a value like 100, found 'ten'"),
        ({"epochs": 2.5}, "run.json: epochs: expected a value like 100, found 2.5"),
        ({"deterministic": 1}, "run.json: deterministic: expected a value like True, found 1"),
        ({"learning_rate": True}, "run.json: learning_rate: expected a value like 0.0001, found True"),
        ({"clip_norm": "big"}, "run.json: clip_norm: expected a number, found 'big'"),
        ({"model": 5}, "run.json: model: expected a value like {'image_shape': [28, 28, 1], "),
        ({"model": {"filters": [4, "8"]}}, "run.json: model.filters: expected a value like [32, 64], found [4, '8']"),
        ({"epochs": 0}, "run.json: epochs must be at least 1; found 0"),
        (
            {"model": {"image_shape": [28, 28]}},
            "run.json: image_shape must be height, width and channels; found (28, 28)",
        ),
    ],
)
def test_fields_that_are_wrong_are_named(fields, message):
    with pytest.raises(InputError) as caught:
        TrainConfig.from_json(fields, "run.json")
    assert str(caught.value).startswith(message)


def test_a_recipe_is_read_from_toml_or_from_any_run_s_config(tmp_path):
    (tmp_path / "mine.toml").write_text('epochs = 3\nlearning_rate = 1\nobjective = "stl"\n[model]\nlatent_dim = 2\n')
    recipe = read_config(tmp_path / "mine.toml")
    assert recipe == TrainConfig(model=ModelConfig(latent_dim=2), epochs=3, learning_rate=1, objective="stl")
    (tmp_path / "config.json").write_text(json.dumps({"format": 1, "config": recipe.to_json(), "data": {}}))
    assert read_config(tmp_path / "config.json") == recipe


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", "epochs = "), ("a.json", "{"), ("a.json", "[]"), ("b.json", None)]
)
def test_what_is_no_recipe_is_refused(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f"{name}: expected an? (recipe as|object of settings)"):
        read_config(tmp_path / name)


@pytest.mark.parametrize(("binarize", "level"), [("static", 128), ("dynamic", 128), ("fixed", 128), ("none", None)])
def test_binarize_at_is_the_first_grey_level_of_white(binarize, level):
    assert TrainConfig(binarize=binarize).binarize_at == level


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 0}, "samples must be at least 1; found 0"),
        ({"samples": 5}, "samples must be 1 for elbo; found 5. Only iwae and dreg take more"),
        ({"objective": "iwae", "beta": 2.0}, "beta and kl_warmup_epochs have no effect on iwae, which has no KL; leave them out"),
        ({"free_bits": 0.5}, "free_bits expects the objective analytic-kl, found elbo; leave it out"),
        ({"free_bits": -1.0}, "free_bits must be a number of at least 0; found -1.0"),
        ({"clip_norm": 0.0}, "clip_norm must be a positive number; found 0.0"),
        ({"warmup_steps": -1}, "warmup_steps must be at least 0; found -1"),
        ({"decay": "linear"}, "decay must be one of ('constant', 'cosine'); found 'linear'"),
        ({"objective": "vae"}, "objective must be one of ('elbo', 'analytic-kl', 'stl', 'iwae', 'dreg'); found 'vae'"),
        ({"precision": "float16"}, "precision must be one of ('auto', 'float32', 'bfloat16'); found 'float16'"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(InputError) as caught:
        TrainConfig(**changes)
    assert str(caught.value) == message


def test_a_config_from_before_a_field_was_there_has_its_default():
    fields = TrainConfig().to_json()
    for name in ("objective", "precision", "warmup_steps", "clip_norm"):
        del fields[name]
    assert TrainConfig.from_json(fields, "here") == TrainConfig()
