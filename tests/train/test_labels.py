"""Runs that are conditioned on labels."""

import dataclasses
import json
import math

import numpy as np
import pytest
import tensorflow as tf

from cvae_runtime import InputError
from cvae_train import (
    CVAE,
    Dataset,
    Labels,
    ModelConfig,
    RunFolder,
    evaluate,
    load_run,
    plan_training,
    read_config,
    train,
)
from cvae_train._cli import command
from cvae_train._cli_compare import command as compare_command
from cvae_train._cli_evaluate import command as evaluate_command
from cvae_train._compare import compare_runs
from cvae_train._data.summary import describe_images
from cvae_train._evaluate import Baselines
from cvae_train._load import read_source
from cvae_train._loop import take_weights
from cvae_train._loop.compute import Compute
from cvae_train._loop.loop import Loop
from cvae_train._panel import draw_panel
from tests.train.runs import same_weights, untimed

NAMES = ("2", "10", "x")
NONE = 3  # index of "no label"


@pytest.fixture(scope="module")
def run(labelled_config, labelled_data, labelled_archive, tmp_path_factory):
    data = dataclasses.replace(labelled_data, source=str(labelled_archive))
    return train(data, labelled_config, tmp_path_factory.mktemp("runs") / "labelled", quiet=True)


@pytest.fixture(scope="module")
def plain(tiny_config, labelled_data, labelled_archive, tmp_path_factory):
    """A run on the same images without labels."""
    data = dataclasses.replace(labelled_data, source=str(labelled_archive))
    return train(data, tiny_config, tmp_path_factory.mktemp("runs") / "plain", quiet=True)


@pytest.fixture
def cvae_train(console):
    """Run ``cvae-train`` in this process: its exit code and stderr."""
    return lambda *arguments: console(command, "cvae-train", *arguments)


@pytest.fixture
def cvae_evaluate(console):
    """Run ``cvae-evaluate`` in this process: its exit code and stderr."""
    return lambda *arguments: console(evaluate_command, "cvae-evaluate", *arguments)


SMALL = ("--preset", "notebook", "--epochs", 1, "--batch-size", 16, "--filters", "4,6", "--latent-dim", 3)


def relabelled(data, change):
    """The same images, with other classes of the training images."""
    return dataclasses.replace(data, labels=dataclasses.replace(data.labels, train=change(data.labels.train)))


# The network


@pytest.mark.parametrize("architecture", ["notebook", "residual", "dense"])
@pytest.mark.parametrize("prior", ["normal", "learned"])
def test_every_network_takes_labels(architecture, prior):
    filters = {"dense": (16,)}.get(architecture, (4, 6))
    model = CVAE(ModelConfig((8, 8, 1), 3, filters, architecture=architecture, prior=prior, labels=NAMES), seed=1)
    for variable in model.trainable_variables:  # the last layers of the prior and the shift start at zero
        variable.assign_add(np.random.default_rng(0).normal(0.0, 0.1, variable.shape).astype(np.float32))
    x = tf.constant(np.random.default_rng(1).random((4, 8, 8, 1), np.float32))
    z = tf.constant(np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32))
    none = tf.fill([4], NONE)
    one, other = tf.constant([0, 1, 2, 0]), tf.constant([1, 2, 0, 2])
    functions = {"encode": lambda *label: model.encode(x, *label)[0], "decode": lambda *label: model.decode(z, *label)}
    if prior == "learned":
        functions |= {
            "latents": lambda *label: model.latents(z, *label),
            "log_prior": lambda *label: model.log_prior(z, *label),
        }
    for name, function in functions.items():
        np.testing.assert_array_equal(function(), function(none), err_msg=name)
        found = [function(labels).numpy() for labels in (none, one, other)]
        assert all(np.abs(a - b).max() > 1e-3 for n, a in enumerate(found) for b in found[:n]), name
    np.testing.assert_allclose(model.noise_of(model.latents(z, one), one), z, atol=1e-4)


def test_the_encoder_s_shift_starts_at_zero():
    model = CVAE(ModelConfig((8, 8, 1), 3, (4, 6), labels=NAMES))
    assert model.label_shift.path == "encoder/label_shift/kernel"
    assert (model.label_shift.shape, float(np.abs(model.label_shift.numpy()).max())) == ((4, 6), 0.0)
    assert CVAE(ModelConfig((8, 8, 1), 3, (4, 6))).label_shift is None


def test_the_prior_of_several_draws():
    model = CVAE(ModelConfig((8, 8, 1), 3, (4, 6), prior="learned", labels=NAMES), seed=1)
    for variable in model.prior.trainable_variables:
        variable.assign_add(np.random.default_rng(0).normal(0.0, 0.1, variable.shape).astype(np.float32))
    z, labels = tf.random.normal((2, 4, 3), seed=0), tf.constant([0, 1, 2, 3])
    found = model.log_prior(z, labels)
    np.testing.assert_allclose(found, tf.stack([model.log_prior(draw, labels) for draw in z]), rtol=1e-5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("a",), "labels must be the names of 2 or more classes, or empty; found ('a',)"),
        ("ab", "labels must be the names of 2 or more classes, or empty; found 'ab'"),
        ((0, 1), "labels must be the names of 2 or more classes, or empty; found (0, 1)"),
        (("a", ""), "labels must be the names of 2 or more classes, or empty; found ('a', '')"),
        (("a", "b", "a"), "labels must be different names; found ('a', 'b', 'a')"),
    ],
)
def test_wrong_names(labels, message):
    with pytest.raises(InputError) as caught:
        ModelConfig(labels=labels)
    assert str(caught.value) == message


def test_names_in_a_list():
    assert ModelConfig(labels=["a", "b"]).labels == ("a", "b")


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_wrong_dropout(share, replaced):
    with pytest.raises(InputError) as caught:
        replaced(label_dropout=share)
    assert str(caught.value) == f"label_dropout must be at least 0 and below 1; found {share}"


# Training


def test_it_learns_from_the_labels(run, plain):
    assert run.history[-1].elbo > run.history[0].elbo
    assert np.abs(run.model.label_shift.numpy()).max(axis=1).min() > 0  # of all classes, and of no label
    assert not same_weights(run.model, CVAE(run.config.model, run.config.seed))
    assert plain.model.label_shift is None


def drawn_labels(config, data, epoch):
    """The labels of a whole epoch's batches, in their order, with the images' numbers."""
    loop = Loop(config, data)
    order = loop._shuffle(tf.constant(epoch)).numpy()
    batches = [order[start : start + config.batch_size] for start in range(0, len(order), config.batch_size)]
    drawn = [
        loop._training_labels(
            tf.constant(batch), tf.constant(epoch), tf.constant(step), tf.constant(len(batch)), slice(0, len(batch))
        )
        for step, batch in enumerate(batches)
    ]
    return order, np.concatenate(drawn)


def test_a_share_of_the_labels_is_left_out(labelled_config, labelled_data):
    many = np.concatenate([labelled_data.train] * 50)
    data = Dataset(many, labelled_data.test, labels=Labels(NAMES, np.arange(2000) % 3, labelled_data.labels.test))
    for share in (0.1, 0.5):
        config = dataclasses.replace(labelled_config, label_dropout=share, batch_size=100)
        order, found = drawn_labels(config, data, 1)
        dropped = found == NONE
        assert abs(dropped.mean() - share) < 0.03
        np.testing.assert_array_equal(found[~dropped], (order % 3)[~dropped])
        assert not np.array_equal(dropped, drawn_labels(config, data, 2)[1] == NONE)  # anew in each epoch
    order, found = drawn_labels(dataclasses.replace(labelled_config, label_dropout=0.0), data, 1)
    np.testing.assert_array_equal(found, order % 3)


def test_workers_have_the_labels_of_one(labelled_config, labelled_data):
    config = dataclasses.replace(labelled_config, label_dropout=0.5)
    loop = Loop(config, labelled_data)
    arguments = (tf.constant(1), tf.constant(0), tf.constant(16))
    numbers = tf.range(16)
    whole = loop._training_labels(numbers, *arguments, slice(0, 16))
    parts = [loop._training_labels(numbers[part], *arguments, part) for part in (slice(0, 7), slice(7, 16))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_towers_change_rounding_alone(labelled_config, labelled_data):
    config = dataclasses.replace(labelled_config, validation_fraction=0.2)
    histories = []
    for towers in (1, 3):
        loop = Loop(config, labelled_data, Compute(towers=towers))
        train_elbos = [loop.train_epoch(epoch, lambda *_: None) for epoch in (1, 2)]
        histories.append([*train_elbos, *loop.test_elbo(2), loop.validation_elbo(2)])
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-4)


def test_streamed_images_keep_their_labels(labelled_config, labelled_data, tmp_path):
    np.save(tmp_path / "train.npy", labelled_data.train)
    mapped = np.load(tmp_path / "train.npy", mmap_mode="r")
    data = dataclasses.replace(labelled_data, train=mapped)
    results = [
        train(each, labelled_config, tmp_path / name, quiet=True) for name, each in (("a", labelled_data), ("b", data))
    ]
    assert isinstance(data.train, np.memmap)
    assert untimed(results[0].history) == untimed(results[1].history)


@pytest.mark.parametrize(
    ("objective", "prior"), [("analytic-kl", "normal"), ("stl", "learned"), ("iwae", "learned"), ("dreg", "normal")]
)
def test_objectives(objective, prior, labelled_config, labelled_data, tmp_path):
    samples = 3 if objective in ("iwae", "dreg") else 1
    model = dataclasses.replace(labelled_config.model, prior=prior)
    recipe = dataclasses.replace(labelled_config, model=model, objective=objective, samples=samples)
    history = train(labelled_data, recipe, tmp_path / "run", quiet=True).history
    assert history[-1].elbo > history[0].elbo


def test_resume(run, labelled_config, labelled_data, labelled_archive, resumed):
    found = resumed(dataclasses.replace(labelled_data, source=str(labelled_archive)), labelled_config, epoch=3)
    assert untimed(found.history) == untimed(run.history)
    assert same_weights(found.model, run.model)
    assert load_run(found.path).config.model.labels == NAMES


def test_resume_rejects_other_labels(run, labelled_config, tiny_config, labelled_data, plain):
    config, info = RunFolder(run.path).read_config()
    assert (config.model.labels, info.labels_fingerprint) == (NAMES, labelled_data.labels.fingerprint)
    other = relabelled(labelled_data, lambda train: train[::-1])

    def message(data, config, path=run.path):
        with pytest.raises(InputError) as caught:
            train(data, config, path, resume=True, quiet=True)
        return str(caught.value)

    begin = f"{run.path} was started with other settings; repeat them, or choose another folder:\n"
    then = labelled_data.labels.fingerprint
    line = f"  data.labels_fingerprint: {then} then, {other.labels.fingerprint} now"
    assert message(other, labelled_config) == f"{begin}{line}"
    without = f"  config.model.labels: ['2', '10', 'x'] then, [] now\n  data.labels_fingerprint: {then} then, None now"
    assert message(labelled_data, tiny_config) == f"{begin}{without}"
    assert message(labelled_data, labelled_config, plain.path).splitlines()[1:] == [
        "  config.model.labels: [] then, ['2', '10', 'x'] now",
        f"  data.labels_fingerprint: None then, {then} now",
    ]


def test_runs_without_labels_ignore_those_of_the_images(plain, labelled_data, tiny_config):
    other = relabelled(labelled_data, lambda train: train[::-1])
    assert train(other, tiny_config, plain.path, resume=True, quiet=True).epoch == 3
    assert RunFolder(plain.path).read_config()[1].labels_fingerprint == labelled_data.labels.fingerprint


def test_fingerprints_depend_on_names_and_all_parts():
    labels = Labels(("a", "b"), np.array([0, 1]), np.array([1]))
    others = (
        Labels(("a", "c"), labels.train, labels.test),
        Labels(("a", "b"), labels.train[::-1], labels.test),
        Labels(("a", "b"), labels.train, np.array([0])),
        Labels(("a", "b"), labels.train, labels.test, np.array([0])),
    )
    assert len({each.fingerprint for each in (labels, *others)}) == 5
    assert labels.fingerprint == Labels(("a", "b"), [0, 1], [1]).fingerprint


def test_the_recipe_repeats_the_run(run, labelled_data, tmp_path):
    recipe = read_config(RunFolder(run.path).config)
    assert recipe == run.config
    assert untimed(train(labelled_data, recipe, tmp_path / "run", quiet=True).history) == untimed(run.history)


def test_recipes_of_older_versions_have_no_labels(plain):
    fields = json.loads(RunFolder(plain.path).config.read_text())["config"]
    assert (fields["model"].pop("labels"), fields.pop("label_dropout")) == ([], 0.1)
    assert type(plain.config).from_json(fields, "config.json") == plain.config


# What is wrong with labels


def refusal(config, data):
    with pytest.raises(InputError) as caught:
        describe_images(config, data)
    return str(caught.value)


def test_images_without_the_model_s_classes(labelled_config, labelled_data):
    without = dataclasses.replace(labelled_data, labels=None)
    begin = "memory: expected the model's 3 classes, 2, 10, x, found"
    assert refusal(labelled_config, without) == f"{begin} none; train on images with these classes"
    names = dataclasses.replace(labelled_data.labels, names=("2", "10", "y"))
    other = dataclasses.replace(labelled_data, labels=names)
    assert refusal(labelled_config, other) == f"{begin} 2, 10, y; train on images with these classes"


def test_tiny_classes(labelled_config, labelled_data):
    rare = relabelled(labelled_data, lambda train: np.where((train == 2) & (np.arange(40) > 2), 0, train))
    assert refusal(labelled_config, rare) == (
        "memory: expected at least 2 training images of each class, found fewer of x; add some, or merge classes"
    )


def test_classes_are_announced(labelled_config, tiny_config, labelled_data):
    line = "3 classes: 2, 10, x; train with --labels to choose them later"
    assert describe_images(tiny_config, labelled_data)[1:] == [line]
    assert describe_images(labelled_config, labelled_data)[1:] == ["conditioned on 3 classes: 2, 10, x"]
    embedded = dataclasses.replace(labelled_data, source="mnist")
    assert len(describe_images(tiny_config, embedded)) == 1
    one = dataclasses.replace(labelled_data, labels=Labels(("a",), np.zeros(40, np.int64), np.zeros(13, np.int64)))
    assert len(describe_images(tiny_config, one)) == 1
    many = Labels(tuple(map(str, range(1000))), np.arange(40), np.arange(13))
    assert describe_images(tiny_config, dataclasses.replace(labelled_data, labels=many))[1] == (
        "1,000 classes: 0, 1, 2 and 997 more; train with --labels to choose them later"
    )


# The command


def test_the_command_conditions_on_labels(cvae_train, labelled_archive, tmp_path):
    code, err = cvae_train(labelled_archive, "--run", tmp_path / "plain", *SMALL)
    assert code == 0
    assert "3 classes: 2, 10, x; train with --labels to choose them later" in err.splitlines()
    code, err = cvae_train(labelled_archive, "--run", tmp_path / "run", *SMALL, "--labels")
    assert code == 0
    lines, result = err.splitlines(), load_run(tmp_path / "run")
    assert "conditioned on 3 classes: 2, 10, x" in lines
    assert "ELBO and KL given the label, in nats per image" in lines
    assert lines[-4] == (
        f"{tmp_path / 'run'}: epoch 1, test ELBO given the label {result.kept.elbo:.2f} nats per image"
    )
    assert result.config.model.labels == NAMES
    assert (
        "  test ELBO        " + f"{result.kept.elbo:.2f} nats per image, given the label" in repr(result).splitlines()
    )
    assert result.to_json()["given_classes"] == 3
    assert "given_classes" not in load_run(tmp_path / "plain").to_json()


def test_derived_recipes_take_labels_and_resume_without_the_option(cvae_train, labelled_archive, tmp_path):
    network = ("--architecture", "dense", "--filters", 8, "--latent-dim", 3)
    arguments = (labelled_archive, "--run", tmp_path / "run", "--epochs", 1, *network)
    assert cvae_train(*arguments, "--labels")[0] == 0
    code, err = cvae_train(labelled_archive, "--run", tmp_path / "run", "--epochs", 2, "--resume")
    assert (code, len(load_run(tmp_path / "run").history)) == (0, 2), err
    assert load_run(tmp_path / "run").config.model.labels == NAMES
    assert cvae_train(labelled_archive, "--run", tmp_path / "run", "--epochs", 2, "--resume", "--labels")[0] == 0


def test_plans_take_labels(labelled_archive, tiny_config, tmp_path):
    plan = plan_training(labelled_archive, tiny_config, labels=True, epochs=1, quiet=True)
    assert plan.config.model.labels == NAMES
    assert train(labelled_archive, plan, tmp_path / "run", quiet=True).config.model.labels == NAMES


def test_data_without_classes(cvae_train, tiny_archive, tmp_path, tiny_data):
    advice = "put the images of each class into a folder of its own, or add labels.csv with the columns path and label"
    assert cvae_train(tiny_archive, "--run", tmp_path / "run", *SMALL, "--labels") == (
        1,
        f"Error: {tiny_archive}: --labels: expected the class of every image, found none; {advice}\n",
    )
    one = tmp_path / "one.npz"
    np.savez(one, x_train=tiny_data.train, x_test=tiny_data.test, y_train=np.zeros(40, int), y_test=np.zeros(13, int))
    assert cvae_train(one, "--run", tmp_path / "run", *SMALL, "--labels") == (
        1,
        f"Error: {one}: --labels: expected 2 or more classes, found 1; {advice}\n",
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("recipe", [(), ("--preset", "notebook")])
def test_starts_from_a_run_with_labels(recipe, cvae_train, run, labelled_archive, tiny_archive, tmp_path):
    arguments = ("--epochs", 1, "--batch-size", 16, *recipe, "--from", run.path)
    code, err = cvae_train(labelled_archive, "--run", tmp_path / "same", *arguments)
    assert (code, load_run(tmp_path / "same").config.model.labels) == (0, NAMES)
    assert f"weights of {run.path.name}, epoch 3: 8 of 8 layers taken" in err.splitlines()
    code, err = cvae_train(tiny_archive, "--run", tmp_path / "none", *arguments)
    assert (code, load_run(tmp_path / "none").config.model.labels) == (0, ())
    assert f"weights of {run.path.name}, epoch 3: 6 of 7 layers taken; new: decoder/dense" in err.splitlines()


def test_starts_from_a_run_without_labels(cvae_train, plain, labelled_archive, tmp_path):
    arguments = ("--epochs", 1, "--batch-size", 16, "--from", plain.path)
    code, err = cvae_train(labelled_archive, "--run", tmp_path / "run", *arguments, "--labels")
    assert (code, load_run(tmp_path / "run").config.model.labels) == (0, NAMES)
    assert f"weights of {plain.path.name}, epoch 3: 7 of 8 layers taken; new: encoder/label_shift" in err.splitlines()


@pytest.mark.parametrize("architecture", ["notebook", "residual", "dense"])
def test_a_start_without_labels_gives_the_same_outputs_for_every_label(
    architecture, tiny_config, labelled_data, tmp_path
):
    filters = {"dense": (16,)}.get(architecture, (4, 6))
    shape = ModelConfig((8, 8, 1), 3, filters, architecture=architecture, prior="learned")
    config = dataclasses.replace(tiny_config, model=shape, epochs=1)
    old = train(labelled_data, config, tmp_path / "old", quiet=True).model
    labelled = dataclasses.replace(config, model=dataclasses.replace(shape, labels=NAMES))
    source = read_source(tmp_path / "old", labelled, None)
    new = CVAE(labelled.model, seed=9)
    take_weights(new, source.arrays)
    assert list(source.new) == ["encoder/label_shift"]
    x = tf.constant((labelled_data.test[:4] >= 128).astype(np.float32))
    z = tf.random.normal((4, 3), seed=0)
    for label in ([0, 1, 2, NONE], [NONE] * 4):
        given = tf.constant(label)
        np.testing.assert_allclose(new.encode(x, given), old.encode(x), atol=1e-5)
        np.testing.assert_allclose(new.decode(z, given), old.decode(z), atol=1e-5)
        np.testing.assert_allclose(new.latents(z, given), old.latents(z), atol=1e-5)


@pytest.mark.parametrize(("freeze", "unfit"), [("encoder", "encoder/label_shift"), ("decoder", "decoder/dense")])
def test_a_frozen_part_cannot_get_labels(freeze, unfit, plain, labelled_config, labelled_data, tmp_path):
    with pytest.raises(InputError) as caught:
        train(labelled_data, labelled_config, tmp_path / "x", start_from=plain.path, freeze=freeze, quiet=True)
    assert str(caught.value) == (
        f"{plain.path}: expected weights that fit the whole {freeze}, which is to be frozen, found other shapes in "
        f"{unfit}; leave --freeze out, or use images and a model of that run's shapes"
    )


# Evaluation


def test_figures_are_given_the_label(run, labelled_data):
    found = evaluate(run.model, labelled_data.test, "static", samples=5, labels=labelled_data.labels)
    kept = run.kept
    assert (found.elbo, found.kl, found.reconstruction) == pytest.approx(
        (kept.elbo, kept.kl, kept.reconstruction), abs=1e-4
    )
    wrong = dataclasses.replace(labelled_data.labels, test=(labelled_data.labels.test + 1) % 3)
    assert evaluate(run.model, labelled_data.test, "static", samples=5, labels=wrong).elbo != pytest.approx(found.elbo)
    assert found.given_classes == found.to_json()["given_classes"] == 3
    lines = found.table().splitlines()
    assert lines[1].startswith("ELBO given the label  ")
    assert lines[4].startswith("IW bound given the label, 5 draws  ")
    assert found.elbo_without_label == pytest.approx(found.elbo - math.log(3))


def test_a_learned_prior_with_labels(labelled_config, labelled_data, tmp_path):
    model = dataclasses.replace(labelled_config.model, prior="learned")
    result = train(labelled_data, dataclasses.replace(labelled_config, model=model), tmp_path / "run", quiet=True)
    found = evaluate(result.model, labelled_data.test, "static", samples=3, labels=labelled_data.labels)
    kept = result.kept
    assert (found.elbo, found.kl) == pytest.approx((kept.elbo, kept.kl), abs=1e-4)


def test_models_without_labels_are_evaluated_as_before(plain, labelled_data):
    found = evaluate(plain.model, labelled_data.test, "static", samples=5, labels=labelled_data.labels)
    assert (found.given_classes, found.elbo_without_label) == (None, found.elbo)
    assert found.table().splitlines()[1].startswith("ELBO    ")


def test_simple_models_are_compared_with_the_bound_without_the_label(run, labelled_data):
    found = evaluate(run.model, labelled_data.test, "static", samples=1, labels=labelled_data.labels)
    elbo = found.elbo
    # Between the ELBO given the label and the bound without it.
    found = dataclasses.replace(found, baselines=Baselines(elbo - 0.5, elbo - 2.0, 3))
    assert found.comparison() == [
        f"{'is it good?':36} nats per image",
        f"{'  this model (ELBO given the label)':36}{elbo:15.2f}",
        f"{'    without the label, at least':36}{elbo - math.log(3):15.2f}",
        f"{'  per-pixel histogram':36}{elbo - 0.5:15.2f}",
        f"{'  PCA, 3 dimensions':36}{elbo - 2.0:15.2f}",
        "  worse than the histogram, better than PCA",
    ]


@pytest.mark.parametrize(("labels", "found"), [(None, "none"), (("2", "10", "y"), "2, 10, y")])
def test_evaluation_needs_the_model_s_classes(labels, found, run, labelled_data):
    given = None if labels is None else dataclasses.replace(labelled_data.labels, names=labels)
    with pytest.raises(InputError) as caught:
        evaluate(run.model, labelled_data.test, "static", samples=1, labels=given)
    assert str(caught.value) == (
        f"labels: expected the model's 3 classes, 2, 10, x, found {found}; pass the labels of the images that it was "
        f"trained on"
    )


def test_the_command_evaluates_given_the_label(cvae_evaluate, run):
    code, err = cvae_evaluate(run.path, "--samples", 2, "--overwrite")
    assert code == 0
    lines = err.splitlines()
    written = json.loads(RunFolder(run.path).evaluation.read_text())
    assert "13 test images, pixels binarized at 0.5; nats per image, given the label" in lines
    assert any(line.startswith("ELBO given the label") for line in lines)
    found = written["classification"]
    assert (found["images"], found["draws"]) == (13, 10)
    assert f"classify (13 images, 10 draws)      {found['accuracy']:12.1%}" in lines
    start = lines.index("class                       images  ELBO given the label        KL")
    assert [line.split()[:2] for line in lines[start + 1 : start + 4]] == [["2", "4"], ["10", "5"], ["x", "4"]]
    assert any(line.startswith("  this model (ELBO given the label)") for line in lines)
    assert written["given_classes"] == 3
    assert cvae_evaluate(run.path, "--samples", 2, "--images", 5, "--overwrite")[0] == 0


def test_the_command_needs_the_run_s_labels(cvae_evaluate, run, labelled_data, tmp_path):
    other = tmp_path / "other.npz"
    names = np.array(NAMES)
    test = names[labelled_data.labels.test]
    arrays = {"x_train": labelled_data.train, "x_test": labelled_data.test, "y_test": test}
    np.savez(other, y_train=names[labelled_data.labels.train[::-1]], **arrays)
    code, err = cvae_evaluate(run.path, "--samples", 2, "--overwrite", "--data", other)
    begin = f"Error: {other}: expected the classes that {run.path} was trained on, with fingerprint"
    assert (code, err.startswith(f"{begin} {labelled_data.labels.fingerprint}, found fingerprint ")) == (1, True)
    np.savez(other, x_train=labelled_data.train, x_test=labelled_data.test)
    code, err = cvae_evaluate(run.path, "--samples", 2, "--overwrite", "--data", other)
    assert (code, err) == (
        1,
        f"{begin} {labelled_data.labels.fingerprint}, found none; pass the right images and labels with --data\n",
    )


@pytest.mark.parametrize("latent_dim", [2, 3])
def test_the_panel_has_a_row_of_samples_for_each_class(latent_dim, labelled_config, labelled_data, run, monkeypatch):
    shown = {}
    monkeypatch.setattr("cvae_train._panel._show", lambda _, images, columns, title: shown.update({title: (images, columns)}))  # fmt: skip
    model = run.model
    if latent_dim == 2:
        model = CVAE(dataclasses.replace(labelled_config.model, latent_dim=2))
    labels = labelled_data.labels
    evaluation = evaluate(model, labelled_data.test, "static", samples=1, labels=labels)
    draw_panel(model, labelled_data.test, 128, run.history, 3, evaluation, labels)
    images, columns = shown["samples: a row for each class"]
    assert (images.shape, columns) == ((30, 8, 8, 1), 10)
    if latent_dim == 3:
        from cvae_runtime import prior_latents

        noise = prior_latents(0, 0, 10, 3)
        for row in range(3):
            expected = model.sample(noise, tf.fill([10], row))
            np.testing.assert_allclose(images[10 * row : 10 * row + 10], expected, atol=1e-6)
        x = (labelled_data.test >= 128).astype(np.float32)
        pairs, _ = shown["reconstructions given the label"]
        chosen = [np.flatnonzero((x == image).all(axis=(1, 2, 3)))[0] for image in pairs[:10]]
        given = labels.test[chosen]
        expected = model.decode(model.encode(x[chosen], given)[0], given, apply_sigmoid=True)
        np.testing.assert_allclose(pairs[10:], expected, atol=1e-5)


def test_comparisons_say_which_figures_are_given_the_label(run, plain, labelled_data, whole_console, tmp_path):
    both = compare_runs([plain.path, run.path])
    notes = [
        f"given the label, log p(x | label): {run.path}",
        "do not compare these figures with others: 3 classes are worth up to 1.10 nats",
    ]
    assert {*notes} <= {*both.table().splitlines()}
    assert [figures["given_classes"] for figures in both.to_json()["runs"]] == [None, 3]
    assert both.differences == {
        "labels": [[], ["2", "10", "x"]],
        "labels_fingerprint": [None, labelled_data.labels.fingerprint],
    }
    assert "all figures are given the label: log p(x | label)" in compare_runs([run.path, run.path]).table()
    assert "given the label" not in compare_runs([plain.path, plain.path]).table()
    code, out, _ = whole_console(compare_command, "cvae-compare", plain.path, run.path, "-o", tmp_path / "both.png")
    assert (code, {*notes} <= {*out.splitlines()}) == (0, True)
