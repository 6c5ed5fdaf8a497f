"""Derived recipes: valid for every look at images, and the right decisions for known kinds."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime import InputError
from cvae_train import DataOptions, ModelConfig, TrainConfig
from cvae_train._data import DataLook
from cvae_train._recipe import Speed, derive, fit_to_minutes, more_epochs, too_slow, with_smaller_network
from cvae_train._recipe.table import FEWEST_FILTERS, MOST_TIMED_EPOCHS

COLOUR = DataLook("/photos", 576, 64, None, (((64, 64), 640),), 3, False, False, 0.1, 0.1, 0, 255, "dihedral")
GREY = dataclasses.replace(COLOUR, channels=1, grey=True)
GLYPHS = dataclasses.replace(GREY, black_and_white=True, near_black=0.8, near_white=0.1, sizes=(((28, 28), 640),))


@st.composite
def looks(draw):
    grey = draw(st.booleans())
    side = st.one_of(st.integers(1, 200), st.integers(1, 20_000))
    sizes = draw(st.dictionaries(st.tuples(side, side), st.integers(1, 10**6), min_size=1, max_size=5))
    train = draw(st.one_of(st.integers(1, 200), st.integers(1, 10**8)))
    return DataLook(
        "/photos",
        train,
        draw(st.integers(1, max(1, train))),
        draw(st.none() | st.integers(1, 10**6)),
        tuple(sorted(sizes.items(), key=lambda item: -item[1])),
        draw(st.sampled_from([1, 3])) if grey else 3,
        grey,
        grey and draw(st.booleans()),
        0.5,
        0.4,
        0,
        255,
        draw(st.sampled_from(["none", "mirror", "mirror-flip", "dihedral"])),
    )


GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(1, 1000),
        "batch_size": st.integers(1, 1000),
        "latent_dim": st.integers(1, 500),
        "filters": st.lists(st.integers(1, 64), min_size=1, max_size=4).map(tuple),
        "learning_rate": st.floats(1e-6, 1.0),
        "ema": st.sampled_from([0.0, 0.99]),
        "seed": st.integers(0, 9),
    },
)


@given(looks(), GIVEN, st.none() | st.floats(0.01, 1e4), st.floats(1e-5, 1e3))
def test_a_plan_always_makes_a_valid_recipe(look, settings, minutes, step_seconds):
    plan = derive(look, DataOptions(), settings)
    check(plan, look, settings)
    if minutes is None or "epochs" in settings:
        return
    speed = Speed(step_seconds, 0.1, 10.0)
    plan = dataclasses.replace(plan, minutes=minutes)
    if too_slow(plan, speed):
        plan = with_smaller_network(plan, speed)
        assert plan.config.model.filters[0] >= FEWEST_FILTERS
    plan = fit_to_minutes(plan, speed)
    check(plan, look, settings)
    if 1 < plan.config.epochs < MOST_TIMED_EPOCHS:
        assert plan.seconds <= 60 * minutes
        assert plan.seconds + speed.whole_epoch(plan.steps_per_epoch) > 60 * minutes
    assert more_epochs(plan, 2 * minutes).config.epochs > plan.config.epochs


def check(plan, look, settings):
    config = plan.config
    steps = config.epochs * plan.steps_per_epoch
    assert config.warmup_steps < steps
    assert TrainConfig.from_json(config.to_json(), "plan") == config
    assert plan.images["training"] + plan.images["validation"] - (look.validation or 0) == look.train
    if "batch_size" not in settings:
        assert config.batch_size <= plan.images["training"]
    for name, value in settings.items():
        assert value == getattr(config.model if hasattr(config.model, name) else config, name)
    if not {"filters", "latent_dim"} & set(settings):
        assert config.model.latent_dim <= math.prod(config.model.image_shape)
    for line in plan.lines():
        assert len(line) <= 80, line
    assert plan.to_json()["config"] == config.to_json()
    assert dataclasses.replace(plan, decisions=(), minutes=None).with_record(plan.record(), "x") == plan


def test_what_is_decided_for_small_colour_pictures():
    plan = derive(COLOUR, DataOptions(), {})
    model = ModelConfig((64, 64, 3), 16, (16, 32, 64), "discretized-logistic-mixture", "residual")
    assert plan.config == TrainConfig(
        model=model,
        epochs=122,
        batch_size=16,
        optimizer="muon",
        learning_rate=2e-3,
        warmup_steps=402,
        decay="cosine",
        clip_norm=100.0,
        objective="analytic-kl",
        beta=61.0,
        precision="auto",
        binarize="none",
        augment="dihedral",
        validation_fraction=0.1,
        patience=30,
    )
    assert plan.options == DataOptions()
    assert plan.lines() == [
        "plan: 518 training, 58 validation, 64 test images",
        "  --image-size 64x64          all images have this size",
        "  --channels 3                images are in colour",
        "  --likelihood discretized-logistic-mixture 256 levels: colour",
        "  --architecture residual     no wide layers at full size",
        "  --filters 16,32,64          at 1/2 ... 1/8 of the side",
        "  --latent-dim 16             for 576 images",
        "  --augment dihedral          the copies look like the images",
        "  --validation-fraction 0.1   to keep the weights of the best epoch",
        "  --batch-size 16             for 518 images",
        "  --optimizer muon            learns pictures in fewer steps than Adam",
        "  --learning-rate 0.002       highest, for batches of 16; cosine decay to 0",
        "  --epochs 122                4,026 steps of 16 images",
        "  --warmup-steps 402          10% of 4,026 steps",
        "  --patience 30               stops if the validation ELBO no longer rises",
        "  --objective analytic-kl     ELBO with its KL in closed form: less noise",
        "  --beta 61                   weight of the KL, for better samples",
    ]


@pytest.mark.parametrize(
    ("sizes", "shape", "recorded"),
    [
        ((((28, 28), 9),), (28, 28), None),
        ((((30, 50), 9),), (30, 50), None),
        ((((480, 640), 9),), (96, 128), (96, 128)),
        ((((480, 640), 5), ((640, 480), 4)), (128, 128), (128, 128)),
        ((((70, 90), 5), ((60, 200), 4), ((100, 100), 5)), (64, 64), (64, 64)),
        ((((10, 12), 1), ((9, 30), 1)), (9, 9), (9, 9)),
        ((((1, 20_000), 9),), (1, 128), (1, 128)),
    ],
)
def test_image_sizes(sizes, shape, recorded):
    plan = derive(dataclasses.replace(COLOUR, sizes=sizes), DataOptions(), {})
    assert plan.config.model.image_shape == (*shape, 3)
    assert plan.options.image_size == recorded


def test_the_callers_size_and_channels_are_kept():
    options = DataOptions(image_size=(40, 48), channels=1)
    plan = derive(COLOUR, options, {})
    assert (plan.config.model.image_shape, plan.options) == ((40, 48, 1), options)
    assert plan.lines()[1:4] == [
        "  --image-size 48x40          given",
        "  --channels 1                given",
        "  --likelihood discretized-logistic-mixture 256 levels: grey levels",
    ]


def test_grey_images_in_rgb_files_become_grey():
    plan = derive(dataclasses.replace(GREY, channels=3), DataOptions(), {})
    assert (plan.config.model.image_shape[2], plan.options.channels) == (1, 1)


@pytest.mark.parametrize(
    ("look", "settings", "likelihood", "binarize"),
    [
        (GLYPHS, {}, "bernoulli", "static"),
        (GREY, {}, "discretized-logistic-mixture", "none"),
        (GREY, {"binarize": "static"}, "bernoulli", "static"),
        (GREY, {"binarize": "dynamic"}, "bernoulli", "dynamic"),
        (GLYPHS, {"binarize": "fixed"}, "bernoulli", "fixed"),
        (GLYPHS, {"binarize": "none"}, "discretized-logistic-mixture", "none"),
        (GREY, {"likelihood": "bernoulli"}, "bernoulli", "static"),
        (GLYPHS, {"likelihood": "discretized-logistic-mixture"}, "discretized-logistic-mixture", "none"),
        (GREY, {"likelihood": "bernoulli", "binarize": "none"}, "bernoulli", "none"),
    ],
)
def test_likelihoods(look, settings, likelihood, binarize):
    config = derive(look, DataOptions(), settings).config
    assert (config.model.likelihood, config.binarize) == (likelihood, binarize)


@pytest.mark.parametrize(
    ("settings", "filters", "line"),
    [
        ({"architecture": "notebook"}, (32, 64), "  --filters 32,64             the notebook's"),
        ({"architecture": "dense"}, (200, 200), "  --filters 200,200           units of the hidden layers"),
        ({"architecture": "dense", "filters": (50,)}, (50,), "  --filters 50                given"),
    ],
)
def test_filters_of_other_architectures(settings, filters, line):
    plan = derive(GLYPHS, DataOptions(), settings)
    assert plan.config.model.filters == filters
    assert line in plan.lines()


@pytest.mark.parametrize(
    ("changes", "options", "augment", "reason"),
    [
        ({"symmetry": "mirror"}, DataOptions(), "mirror", "the copies look like the images"),
        ({"symmetry": "none"}, DataOptions(), "none", "mirrored images differ"),
        ({"symmetry": "none", "train": 49}, DataOptions(), "none", "too few images to see a symmetry"),
        ({"train": 10_000}, DataOptions(), "none", "10,000 images are enough"),
        ({}, DataOptions(image_size=(32, 48)), "mirror-flip", "the copies look like the images"),
    ],
)
def test_symmetric_copies_of_few_images(changes, options, augment, reason):
    plan = derive(dataclasses.replace(COLOUR, **changes), options, {})
    assert plan.config.augment == augment
    assert f"  --augment {augment:<17} {reason}" in plan.lines()


@pytest.mark.parametrize(
    ("look", "changes", "settings", "beta"),
    [
        (COLOUR, {"train": 10_001}, {}, 15.0),
        (COLOUR, {}, {"image_size": (128, 128)}, 100.0),
        (COLOUR, {"train": 200}, {"image_size": (128, 128)}, 10.0),
        (COLOUR, {"train": 201}, {"image_size": (128, 128)}, 100.0),
        (COLOUR, {}, {"image_size": (8, 8)}, 1.0),
        (GLYPHS, {}, {}, 1.0),
        (COLOUR, {}, {"objective": "iwae"}, 1.0),
        (COLOUR, {}, {"beta": 3.0}, 3.0),
    ],
)
def test_weight_of_the_kl(look, changes, settings, beta):
    settings = dict(settings)
    options = DataOptions(image_size=settings.pop("image_size", None))
    config = derive(dataclasses.replace(look, **changes), options, settings).config
    assert config.beta == beta


@pytest.mark.parametrize(("images", "latents"), [(2_000, 16), (2_001, 32), (10_000, 32), (10_001, 64)])
def test_latent_dimensions(images, latents):
    plan = derive(dataclasses.replace(COLOUR, train=images), DataOptions(), {})
    assert plan.config.model.latent_dim == latents
    assert f"  --latent-dim {latents:<14} for {images:,} images" in plan.lines()


@pytest.mark.parametrize(
    ("images", "side", "filters"),
    [(2_000, 64, (16, 32, 64)), (2_001, 64, (32, 64, 128)), (2_000, 47, (32, 64)), (100, 128, (16, 32, 64, 128))],
)
def test_small_and_many_images_have_more_filters(images, side, filters):
    plan = derive(dataclasses.replace(COLOUR, train=images), DataOptions(image_size=(side, side)), {})
    assert plan.config.model.filters == filters


@pytest.mark.parametrize(("side", "latents"), [(2, 3), (16, 16), (64, 16), (96, 36), (128, 64), (500, 64)])
def test_large_images_have_more_latent_dimensions(side, latents):
    plan = derive(COLOUR, DataOptions(image_size=(side, side)), {})
    assert plan.config.model.latent_dim == latents
    why = f"for {COLOUR.train} images" if latents == 16 else f"{3 * side**2:,} values an image"
    assert f"  --latent-dim {latents:<14} {why}" in plan.lines()


@pytest.mark.parametrize(
    ("train", "fraction", "batch"),
    [
        (1, 0.0, 1),
        (18, 0.0, 4),
        (74, 0.0, 16),
        (75, 0.1, 16),
        (5_000, 0.1, 32),
        (60_000, 0.083, 128),
        (10**7, 0.0005, 128),
    ],
)
def test_validation_and_batches(train, fraction, batch):
    plan = derive(dataclasses.replace(COLOUR, train=train), DataOptions(), {})
    assert (plan.config.validation_fraction, plan.config.batch_size) == (fraction, batch)
    assert bool(plan.config.patience) == bool(fraction)


def test_validation_images_of_the_data_are_used():
    plan = derive(dataclasses.replace(COLOUR, validation=7), DataOptions(), {})
    assert (plan.config.validation_fraction, plan.images["validation"]) == (0.0, 7)
    assert plan.config.patience > 0


def test_patience_holds_images_out_of_few():
    plan = derive(dataclasses.replace(COLOUR, train=20), DataOptions(), {"patience": 3})
    assert (plan.config.validation_fraction, plan.images["validation"], plan.config.patience) == (0.1, 2, 3)


def test_the_network_of_another_run_is_the_default():
    like = TrainConfig(model=ModelConfig((28, 28, 1), 7, (5, 6)), batch_size=3)
    config = derive(GREY, DataOptions(), {"latent_dim": 9}, like).config
    assert config.model == ModelConfig((64, 64, 1), 9, (5, 6))
    assert (config.binarize, config.batch_size) == ("static", 16)
    assert derive(COLOUR, DataOptions(), {}, like).config.model.likelihood == "discretized-logistic-mixture"


def test_settings_that_contradict_each_other():
    with pytest.raises(InputError, match="^beta and kl_warmup_epochs have no effect on iwae"):
        derive(COLOUR, DataOptions(), {"objective": "iwae", "beta": 2.0})


def test_an_epoch_that_takes_longer_than_the_minutes():
    plan = dataclasses.replace(derive(COLOUR, DataOptions(), {"filters": (8, 8)}), minutes=1.0)
    speed = Speed(10.0, 1.0, 10.0)
    assert not too_slow(plan, speed)  # the caller's filters stay
    plan = fit_to_minutes(plan, speed)
    assert plan.config.epochs == 1
    assert [line for line in plan.lines() if "--epochs" in line] == [
        "  --epochs 1                  the least; takes about 5.7 min, not 1 min"
    ]


@pytest.mark.parametrize(("minutes", "epochs", "patience"), [(0.8, 32, 10), (10, 538, 134), (100, 2000, 500)])
def test_patience_is_a_quarter_of_the_epochs_in_the_minutes(minutes, epochs, patience):
    plan = dataclasses.replace(derive(COLOUR, DataOptions(), {}), minutes=minutes)
    plan = fit_to_minutes(plan, Speed(1 / 33, 0.09, 10.0))
    assert (plan.config.epochs, plan.config.patience) == (epochs, patience)
    assert f"  --patience {patience:<16} stops if the validation ELBO no longer rises" in plan.lines()
    plan = dataclasses.replace(derive(COLOUR, DataOptions(), {"patience": 7}), minutes=minutes)
    assert fit_to_minutes(plan, Speed(1 / 33, 0.09, 10.0)).config.patience == 7


def test_a_network_is_made_smaller_until_enough_steps_fit():
    plan = dataclasses.replace(derive(COLOUR, DataOptions(), {}), minutes=1.0)
    speed = Speed(0.2, 0.1, 10.0)
    assert too_slow(plan, speed)
    smaller = with_smaller_network(plan, speed)
    assert smaller.config.model.filters == (8, 16, 32)
    assert "  --filters 8,16,32           fewer, to fit into 1 min" in smaller.lines()
    assert not too_slow(plan, Speed(0.02, 0.1, 10.0))


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan, "1"])
def test_a_damaged_record(value):
    plan = derive(COLOUR, DataOptions(), {})
    record = {
        "decisions": [],
        "minutes": None,
        "speed": {"step_seconds": value, "epoch_seconds": 0, "start_seconds": 0},
    }
    with pytest.raises(InputError, match=r"^config\.json: expected a plan as cvae-train writes it, found "):
        plan.with_record(record, "config.json")
