import dataclasses

import numpy as np
import pytest
from PIL import Image

from cvae_train import PRESETS, DataOptions, ModelConfig, RunFolder, read_history
from cvae_train._cli import _SECTIONS, command
from cvae_train._data.pixel_store import PixelStore


@pytest.fixture
def cvae_train(console):
    """A function that runs the console script in this process and returns its exit code and stderr."""
    return lambda *arguments: console(command, "cvae-train", *arguments)


TINY = ("--epochs", 2, "--batch-size", 16, "--filters", "4,6", "--latent-dim", 3, "--seed", 1)
SMALL = ("--preset", "notebook", *TINY)


def test_trains_and_says_where_and_how_well(cvae_train, tiny_archive, tmp_path):
    code, err = cvae_train(tiny_archive, "--run", tmp_path / "run", *SMALL)
    history = read_history(tmp_path / "run/history.csv")
    assert code == 0
    assert len(history) == 2
    run = tmp_path / "run"
    assert err.splitlines()[-4:] == [
        f"{run}: epoch 2, test ELBO {history[-1].elbo:.2f} nats per image",
        "next:",
        f"  cvae-evaluate {run}",
        f"  cvae-export {run} --onnx {run}-bundle",
    ]


def test_the_images_are_described_before_training(cvae_train, tmp_path, tiny_data):
    for part, images in (("train", tiny_data.train), ("Val", tiny_data.test)):
        (tmp_path / f"set/{part}").mkdir(parents=True)
        for number, image in enumerate(images):
            Image.fromarray(image[..., 0]).save(tmp_path / f"set/{part}/{number}.tif")
    (tmp_path / "set/notes").write_text("x")
    code, err = cvae_train(tmp_path / "set", "--run", tmp_path / "run", *SMALL)
    lines = err.splitlines()
    assert (code, lines[1:3]) == (
        0,
        [
            "train/ is trained on, Val/ is the test set, since there is no other",
            "skipped 1 file: 1 text (notes)",
        ],
    )
    white = (tiny_data.train >= 128).mean()
    assert lines[0] == (
        f"{tmp_path / 'set'}: images of 8x8 pixels, grey: 40 for training, 13 for testing; {white:.1%} white after thresholding"
    )
    assert [line.split()[0] for line in lines[4:8]] == ["ELBO", "epoch", "1/2", "2/2"]


def test_the_validation_set_of_the_data_is_evaluated(cvae_train, tmp_path, tiny_data):
    np.savez(tmp_path / "set.npz", x_train=tiny_data.train, x_test=tiny_data.test, x_val=tiny_data.test)
    command_line = (tmp_path / "set.npz", "--run", tmp_path / "run", *SMALL)
    assert cvae_train(*command_line, "--patience", 5, "-q") == (0, "")
    history = read_history(tmp_path / "run/history.csv")
    for record in history:
        assert record.validation_elbo == pytest.approx(record.elbo, rel=1e-5)
    code, err = cvae_train(*command_line, "--validation-fraction", 0.1, "--overwrite")
    message = f"Error: {tmp_path / 'set.npz'}: has its own validation set; leave --validation-fraction out"
    assert (code, err.splitlines()[-1]) == (1, message)


def test_images_of_which_the_cut_leaves_nothing_end_it(cvae_train, tmp_path, tiny_data):
    np.savez(tmp_path / "set.npz", x_train=tiny_data.train // 3, x_test=tiny_data.test)
    code, err = cvae_train(tmp_path / "set.npz", "--run", tmp_path / "run", *SMALL)
    assert (code, err) == (
        1,
        (
            f"Error: {tmp_path / 'set.npz'}: expected black and white pixels after thresholding at level 128, found "
            f"0.00% white pixels (levels 0 to {(tiny_data.train // 3).max()} of 255); scale the levels to 0 to 255, or "
            f"pass --binarize none to keep grey values\n"
        ),
    )
    assert not (tmp_path / "run").exists()
    assert cvae_train(tmp_path / "set.npz", "--run", tmp_path / "run", *SMALL, "--binarize", "none", "-q") == (0, "")


def test_options_change_the_presets_recipe(cvae_train, tiny_archive, tmp_path):
    options = (*SMALL, "--preset", "fast", "--binarize", "none", "--warmup-steps", 200)
    code, _ = cvae_train(tiny_archive, "--run", tmp_path / "run", *options, "-q")
    assert code == 0
    model = ModelConfig(image_shape=(8, 8, 1), latent_dim=3, filters=(4, 6))
    changes = {"model": model, "epochs": 2, "batch_size": 16, "seed": 1, "binarize": "none"}
    assert RunFolder(tmp_path / "run").read_config()[0] == dataclasses.replace(PRESETS["fast"], **changes)


def test_a_preset_whose_warm_up_is_longer_than_the_run_is_scaled(cvae_train, tiny_archive, tmp_path):
    options = (tiny_archive, "--run", tmp_path / "run", "--preset", "fast", *TINY, "--epochs", 4)
    code, err = cvae_train(*options)
    lines = err.splitlines()
    assert (code, lines[1:4]) == (
        0,
        [
            "x_train is trained on, x_test is the test set",
            "plan: 40 training, 13 test images",
            "  --warmup-steps 1            instead of 200: the run has 12 steps",
        ],
    )
    assert RunFolder(tmp_path / "run").read_config()[0].warmup_steps == 1
    weights = (tmp_path / "run/weights.npz").read_bytes()
    assert cvae_train(*options, "--resume", "-q") == (0, "")
    assert (tmp_path / "run/weights.npz").read_bytes() == weights
    assert cvae_train(*options, "--epochs", 70, "--resume", "-q") == (0, "")  # 210 steps
    config = RunFolder(tmp_path / "run").read_config()[0]
    assert (config.epochs, config.warmup_steps) == (70, 1)
    assert cvae_train(*options, "--epochs", 70, "--resume", "-q") == (0, "")


FIELDS = (
    {"warmup_steps": 7, "decay": "cosine", "clip_norm": 5.0, "objective": "stl", "beta": 0.5, "learning_rate": 0.01},
    {"objective": "iwae", "samples": 3, "precision": "bfloat16"},
    {"objective": "analytic-kl", "free_bits": 0.1, "kl_warmup_epochs": 1},
)


@pytest.mark.parametrize("fields", FIELDS, ids=lambda fields: fields["objective"])
def test_every_option_reaches_its_field(cvae_train, tiny_archive, tmp_path, fields):
    options = [word for name, value in fields.items() for word in (f"--{name.replace('_', '-')}", value)]
    code, err = cvae_train(tiny_archive, "--run", tmp_path / "run", *SMALL, "--epochs", 1, *options, "-q")
    assert (code, err) == (0, "")
    config = RunFolder(tmp_path / "run").read_config()[0]
    assert {name: getattr(config, name) for name in fields} == fields


@pytest.fixture
def rgb_archive(tmp_path, rgb_data):
    path = tmp_path / "rgb.npz"
    np.savez(path, x_train=rgb_data.train, x_test=rgb_data.test)
    return path


IMPLIED = "  --likelihood discretized-logistic-mixture 3 channels"


@pytest.mark.parametrize("recipe", [("--preset", "notebook"), ("--preset", "fast"), ("--config", "silent.toml")])
def test_pictures_in_colour_take_the_likelihood_of_256_levels(
    cvae_train, rgb_archive, tmp_path, monkeypatch, recipe, rgb_config
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "silent.toml").write_text("beta = 2.0\n[model]\nlatent_dim = 9\n")
    code, err = cvae_train(rgb_archive, "--run", "run", *TINY, *recipe)
    lines = err.splitlines()
    assert (code, lines[3], lines.count(IMPLIED)) == (0, IMPLIED, 1)
    record = read_history(tmp_path / "run/history.csv")[0]
    to_bits = rgb_config.model.bits_per_dimension
    bits, train_bits = (f"{to_bits(elbo):.3f}" for elbo in (record.elbo, record.train_elbo))
    (first_epoch,) = (line for line in lines if line.startswith("  1/2 "))
    assert first_epoch.split()[:-1] == ["1/2", f"{record.elbo:.2f}", f"{record.kl:.2f}", bits, train_bits]
    last = read_history(tmp_path / "run/history.csv")[-1].elbo
    bits = f"{rgb_config.model.bits_per_dimension(last):.3f} bits per dimension"
    assert lines[-4] == f"run: epoch 2, test ELBO {last:.2f} nats per image ({bits})"
    config = RunFolder(tmp_path / "run").read_config()[0]
    assert (config.model.likelihood, config.binarize) == ("discretized-logistic-mixture", "none")
    assert (config.model.image_shape, config.model.latent_dim) == ((8, 8, 3), 3)
    assert config.beta == (2.0 if "--config" in recipe else 1.0)
    assert cvae_train(rgb_archive, "--run", "quiet", *TINY, *recipe, "-q") == (0, "")


def test_a_residual_network_takes_pictures_of_any_size(cvae_train, rgb_data, tmp_path):
    path = tmp_path / "odd.npz"
    np.savez(path, x_train=rgb_data.train[:, :7], x_test=rgb_data.test[:, :7])
    options = (path, "--preset", "notebook", "--epochs", 1, "--latent-dim", 3, "--architecture", "residual")
    code, err = cvae_train(*options, "--run", tmp_path / "run")
    assert (code, err.splitlines()[2]) == (0, "the network pads images to 8x8 pixels inside, and crops its output")
    model = RunFolder(tmp_path / "run").read_config()[0].model
    assert (model.architecture, model.filters, model.image_shape) == ("residual", (16, 32), (7, 8, 3))
    assert cvae_train(*options, "--run", tmp_path / "other", "--filters", "4,6,8", "-q") == (0, "")
    assert RunFolder(tmp_path / "other").read_config()[0].model.filters == (4, 6, 8)

    toml = tmp_path / "mine.toml"
    toml.write_text('epochs = 1\n[model]\narchitecture = "residual"\nlatent_dim = 2\nfilters = [5]\n')
    assert cvae_train(path, "--config", toml, "--run", tmp_path / "third", "-q") == (0, "")
    assert RunFolder(tmp_path / "third").read_config()[0].model.filters == (5,)


@pytest.mark.parametrize("data", ["tiny_archive", "rgb_archive"])
@pytest.mark.parametrize("likelihood", ["discretized-logistic", "discretized-logistic-mixture"])
def test_the_likelihoods_of_256_levels_are_not_binarized(cvae_train, request, tmp_path, data, likelihood):
    options = (*SMALL, "--likelihood", likelihood)
    code, err = cvae_train(request.getfixturevalue(data), "--run", tmp_path / "run", *options)
    assert (code, IMPLIED in err) == (0, False)
    config = RunFolder(tmp_path / "run").read_config()[0]
    assert (config.model.likelihood, config.binarize) == (likelihood, "none")


def test_a_run_of_the_older_likelihood_is_resumed(cvae_train, rgb_archive, tmp_path):
    run = tmp_path / "run"
    options = (rgb_archive, "--run", run, *SMALL)
    assert cvae_train(*options, "--likelihood", "discretized-logistic", "-q") == (0, "")
    finished = (run / "weights.npz").read_bytes()
    (run / "weights.npz").unlink()
    assert cvae_train(*options, "--resume", "-q") == (0, "")
    assert (run / "weights.npz").read_bytes() == finished
    assert RunFolder(run).read_config()[0].model.likelihood == "discretized-logistic"
    assert IMPLIED in cvae_train(*options[:1], "--run", tmp_path / "new", *SMALL, "--resume")[1].splitlines()


BERNOULLI_IN_COLOUR = (
    "the bernoulli likelihood expects images of 1 channel, found 3; convert them to grey, or use the likelihood "
    "discretized-logistic-mixture with binarize none\n"
)
BINARIZED_LEVELS = (
    "the likelihood discretized-logistic-mixture expects pixels of 256 levels, found binarize 'static'; "
    "set it to 'none'\n"
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--likelihood", "bernoulli"), BERNOULLI_IN_COLOUR),
        (("--binarize", "static"), BINARIZED_LEVELS),
        (("--likelihood", "discretized-logistic-mixture", "--binarize", "static"), BINARIZED_LEVELS),
    ],
)
def test_what_was_said_of_pictures_in_colour_is_not_replaced(cvae_train, rgb_archive, tmp_path, options, message):
    code, err = cvae_train(rgb_archive, "--run", tmp_path / "run", *options)
    assert (code, err.splitlines(keepends=True)[-1]) == (1, f"Error: {message}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("options", "filters"), [((), (200, 200)), (("--filters", "20,10,5"), (20, 10, 5))])
def test_a_dense_network_of_dynamic_pixels(cvae_train, tiny_archive, tiny_data, tmp_path, options, filters):
    run = tmp_path / "run"
    recipe = ("--preset", "notebook", "--epochs", 1, "--architecture", "dense", "--binarize", "dynamic", *options)
    code, err = cvae_train(tiny_archive, "--run", run, *recipe)
    assert code == 0
    assert err.splitlines()[0] == (
        f"{tiny_archive}: images of 8x8 pixels, grey: 40 for training, 13 for testing; "
        f"{tiny_data.train.mean() / 255:.1%} white on average, drawn anew in each epoch"
    )
    config = RunFolder(run).read_config()[0]
    assert (config.model.architecture, config.model.filters, config.binarize) == ("dense", filters, "dynamic")
    weights = (run / "weights.npz").read_bytes()
    assert cvae_train(tiny_archive, "--run", run, *recipe, "--resume", "-q") == (0, "")
    assert (run / "weights.npz").read_bytes() == weights


NO_GREY = (
    "expected grey levels for --binarize dynamic, found only black and white; pass --binarize static, or train on grey "
    "images, such as those of cvae-train keras:mnist"
)
GREY_FOUND = (
    "expected black and white pixels for --binarize fixed, found grey levels; pass --binarize static, which thresholds "
    "them, or --binarize dynamic, which draws them"
)


@pytest.mark.parametrize(("binarize", "white", "message"), [("dynamic", 255, NO_GREY), ("fixed", 200, GREY_FOUND)])
@pytest.mark.parametrize("recipe", [SMALL, TINY], ids=["preset", "derived"])
def test_pixels_of_another_kind(cvae_train, tiny_data, tmp_path, binarize, white, message, recipe):
    path, run = tmp_path / "set.npz", tmp_path / "run"
    images = np.where(tiny_data.train > 0, white, 0).astype(np.uint8)
    np.savez(path, x_train=images, x_test=images[:5])
    assert cvae_train(path, "--run", run, *recipe, "--binarize", binarize, "-q") == (1, f"Error: {path}: {message}\n")
    assert not run.exists()


def test_an_unknown_set_of_keras(cvae_train, tmp_path):
    code, err = cvae_train("keras:cifar10", "--run", tmp_path / "run")
    assert code == 1
    assert err == (
        "Error: keras:cifar10: expected one of keras:mnist, keras:fashion_mnist; for other data sets, name a file or "
        "folder\n"
    )


def test_the_best_epoch_and_overfitting_are_printed_at_the_end(cvae_train, tmp_path, misleading_data):
    parts = {"x_train": misleading_data.train, "x_test": misleading_data.test, "x_val": misleading_data.validation}
    np.savez(tmp_path / "set.npz", **parts)
    code, err = cvae_train(tmp_path / "set.npz", "--run", tmp_path / "run", *SMALL, "--learning-rate", 0.01)
    first, last = read_history(tmp_path / "run/history.csv")
    lines = err.splitlines()
    assert code == 0
    assert [line for line in lines if line.startswith("warning: overfitting")] == [
        (
            f"warning: overfitting: the validation ELBO fell from {first.validation_elbo:.2f} at epoch 1 to "
            f"{last.validation_elbo:.2f} at epoch 2, and the weights of epoch 1 are kept; try more images, fewer "
            f"--epochs, --patience 5, or a smaller --latent-dim"
        )
    ]
    last_line = f"{tmp_path / 'run'}: epoch 1 of 2 (best validation ELBO), test ELBO {first.elbo:.2f} nats per image"
    assert lines[-4] == last_line


WARNING = (
    "warning: posterior collapse: the test KL is {:.2g} nats, so latents hold no information; "
    "try --kl-warmup-epochs 10, or a smaller --latent-dim, or --prior normal --objective analytic-kl --free-bits 0.1"
)


@pytest.mark.parametrize(("beta", "collapses"), [(1000, True), (1e-3, False)])
def test_a_posterior_that_collapses_is_warned_of_at_the_end(cvae_train, tiny_archive, tmp_path, beta, collapses):
    options = (tiny_archive, "--run", tmp_path / "run", *SMALL, "--epochs", 12, "--learning-rate", 1e-2, "--beta", beta)
    code, err = cvae_train(*options)
    kl = read_history(tmp_path / "run/history.csv")[-1].kl
    assert (code, kl < 0.1) == (0, collapses)
    assert (err.splitlines()[-5] == WARNING.format(kl), "warning" in err) == (collapses, collapses)
    code, err = cvae_train(*options, "--resume")  # a finished run repeats the warning
    assert (code, err.splitlines()[:-4]) == (0, [WARNING.format(kl)] if collapses else [])


def test_ctrl_c_keeps_the_last_whole_epoch_and_exits_130(cvae_train, tiny_archive, tmp_path, interrupted_in):
    run = tmp_path / "run"
    with interrupted_in(2):
        code, err = cvae_train(tiny_archive, "--run", run, *SMALL, "-q")
    assert (code, err.strip().splitlines()) == (
        130,
        [
            "interrupted",
            f"{run}: 1 of 2 epochs are complete",
            "next:",
            f"  cvae-train {tiny_archive} --run {run} --config {run / 'config.json'} --resume",
        ],
    )
    assert len(read_history(run / "history.csv")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--preset", "slow"), "Error: Invalid value for '--preset': 'slow' is not one of 'best', 'fast', 'notebook'."),
        (("--resume",), "Error: --resume and --overwrite need --run DIR"),
        (("--run", "x", "--resume", "--overwrite"), "Error: --resume continues a run and --overwrite deletes it: give one of them"),
        (("--filters", "a,b"), "Error: Invalid value for '--filters': expected comma-separated integers such as 32,64, found 'a,b'"),
        (("--image-size", "64by48"), "Error: Invalid value for '--image-size': expected WIDTHxHEIGHT or one integer, in pixels, found '64by48'"),
        (("--image-size", "1x2x3"), "Error: Invalid value for '--image-size': expected WIDTHxHEIGHT or one integer, in pixels, found '1x2x3'"),
        (("--channels", "2"), "Error: Invalid value for '--channels': '2' is not one of '1', '3'."),
        (("--test-fraction", "1"), "Error: Invalid value for '--test-fraction': 1.0 is not in the range 0<x<1."),
        (("--memory-limit", "-1"), "Error: Invalid value for '--memory-limit': -1 is not in the range x>=0."),
        (("--epochs", "many"), "Error: Invalid value for '--epochs': 'many' is not a valid integer."),
    ],
)  # fmt: skip
def test_usage_errors_exit_2(cvae_train, arguments, message):
    code, err = cvae_train(*arguments)
    assert code == 2
    assert err.splitlines()[-1] == message


@pytest.fixture
def pictures(tmp_path):
    """A folder of twenty colour images of 20x12 pixels, and one that cannot be read."""
    rng = np.random.default_rng(4)
    for number in range(20):
        path = tmp_path / f"pictures/{number % 3}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 20, 3), np.uint8)).save(path)
    (tmp_path / "pictures/bad.jpg").write_text("x")
    return tmp_path / "pictures"


def test_options_say_how_pictures_are_read(cvae_train, pictures, tmp_path, caplog):
    options = ("--image-size", "16x8", "--channels", 1, "--test-fraction", 0.25, "--skip-bad", "--memory-limit", 0)
    command_line = (pictures, *options, "--run", tmp_path / "run", *SMALL)
    assert cvae_train(*command_line)[0] == 0
    assert caplog.messages[0].startswith(f"{pictures}: 1 of 21 images cannot be read and are left out:\n  bad.jpg: ")
    config, info = RunFolder(tmp_path / "run").read_config()
    assert config.model.image_shape == (8, 16, 1)
    assert info.options == DataOptions((8, 16), 1, 0.25, skip_bad=True)
    assert info.train_images + info.test_images == 20
    assert cvae_train(*command_line, "--resume", "-q") == (0, "")
    code, err = cvae_train(pictures, *options, "--image-size", 8, "--run", tmp_path / "run", *SMALL, "--resume", "-q")
    assert code == 1
    assert "  data.options.image_size: (8, 16) then, (8, 8) now" in err.splitlines()


def test_pictures_that_cannot_be_read_end_it(cvae_train, pictures, tmp_path):
    code, err = cvae_train(pictures, "--image-size", 8, "--channels", 1, "--run", tmp_path / "run", *SMALL)
    assert (code, err.splitlines()) == (
        1,
        [
            f"Error: {pictures}: 1 of 21 images cannot be read; fix or remove them, or pass --skip-bad to train without them:",
            "  bad.jpg: cannot be read as an image: expected BMP, GIF, JPEG, PNG, PPM, TIFF, WebP, found text",
        ],
    )
    assert not (tmp_path / "run").exists()


def test_what_memory_does_not_hold_lies_beside_the_run(cvae_train, tiny_archive, tmp_path, monkeypatch):
    stores = []
    monkeypatch.setattr(
        "cvae_train._data.dataset.PixelStore", lambda *arguments: stores.append(arguments) or PixelStore(*arguments)
    )
    assert cvae_train(tiny_archive, "--run", tmp_path / "a/b/run", *SMALL, "--memory-limit", 3, "-q") == (0, "")
    assert stores == [(3 << 20, tmp_path)]  # the innermost existing folder


def test_a_recipe_of_ones_own(cvae_train, tiny_archive, tmp_path):
    (tmp_path / "mine.toml").write_text("epochs = 1\nbatch_size = 7\n[model]\nlatent_dim = 2\nfilters = [3]\n")
    code, err = cvae_train(
        tiny_archive, "--run", tmp_path / "run", "--config", tmp_path / "mine.toml", "--seed", 4, "-q"
    )
    assert (code, err) == (0, "")
    recipe = RunFolder(tmp_path / "run").read_config()[0]
    assert (recipe.epochs, recipe.batch_size, recipe.seed, recipe.model.filters) == (1, 7, 4, (3,))
    again = (tiny_archive, "--run", tmp_path / "again", "--config", tmp_path / "run/config.json", "-q")
    assert cvae_train(*again) == (0, "")
    assert RunFolder(tmp_path / "again").read_config()[0] == recipe


def test_a_preset_and_a_recipe_contradict_each_other(cvae_train):
    code, err = cvae_train("--preset", "fast", "--config", "x.toml")
    assert (code, err.splitlines()[-1]) == (2, "Error: --preset and --config both set the recipe: give one of them")


def test_the_help_s_sections_name_every_option():
    named = [name for names in _SECTIONS.values() for name in names]
    assert sorted(named) == sorted({option.name for option in command.params} - {"data", "quiet", "verbose", "version"})
