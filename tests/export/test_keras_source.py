"""External Keras models, from their files to the runtime's outputs."""

import warnings

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

import cvae_runtime
from cvae_export import export_models
from cvae_export._keras_source import _preprocessing, source_of_models
from cvae_runtime import InputError, TargetExistsError, check_golden, read_bundle
from cvae_train import Dataset


class Draw(layers.Layer):
    """z ~ N(mean, exp(logvar)), inside the encoder of Keras's VAE example."""

    def __init__(self, **options):
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, codes):
        mean, logvar = codes
        noise = keras.random.normal(keras.ops.shape(mean), seed=self.seed_generator)
        return mean + keras.ops.exp(logvar / 2) * noise


def tutorial():
    """The networks of TensorFlow's CVAE tutorial: an encoder with one output to split, a decoder of logits."""
    encoder = [keras.Input((28, 28, 1))]
    encoder += [layers.Conv2D(filters, 3, 2, activation="relu") for filters in (32, 64)]
    encoder += [layers.Flatten(), layers.Dense(2 + 2)]
    decoder = [keras.Input((2,)), layers.Dense(7 * 7 * 32, activation="relu"), layers.Reshape((7, 7, 32))]
    decoder += [layers.Conv2DTranspose(filters, 3, 2, padding="same", activation="relu") for filters in (64, 32)]
    decoder += [layers.Conv2DTranspose(1, 3, padding="same")]
    return keras.Sequential(encoder), keras.Sequential(decoder)


def example():
    """The networks of Keras's VAE example: an encoder of mean, logvar and a sample, a decoder of probabilities."""
    x = keras.Input((28, 28, 1))
    h = layers.Conv2D(32, 3, 2, padding="same", activation="relu")(x)
    h = layers.Conv2D(64, 3, 2, padding="same", activation="relu")(h)
    h = layers.Dense(16, activation="relu")(layers.Flatten()(h))
    mean, logvar = layers.Dense(2, name="z_mean")(h), layers.Dense(2, name="z_log_var")(h)
    z = keras.Input((2,))
    h = layers.Reshape((7, 7, 64))(layers.Dense(7 * 7 * 64, activation="relu")(z))
    h = layers.Conv2DTranspose(64, 3, 2, padding="same", activation="relu")(h)
    h = layers.Conv2DTranspose(32, 3, 2, padding="same", activation="relu")(h)
    pixels = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(h)
    return keras.Model(x, [mean, logvar, Draw()([mean, logvar])]), keras.Model(z, pixels)


def normalised():
    """Colour networks with batch normalization, dropout, upsampling, other paddings and activations."""
    x = keras.Input((8, 12, 3))
    h = layers.LeakyReLU()(layers.BatchNormalization()(layers.Conv2D(4, 5, 2, padding="same")(x)))
    h = layers.Dropout(0.5)(layers.Conv2D(6, 2, activation="swish")(layers.ZeroPadding2D(1)(h)))
    h = layers.Dense(12)(layers.Flatten()(h))
    h = layers.BatchNormalization()(h)
    encoder = keras.Model(x, {"z_log_var": layers.Dense(3)(h), "z_mean": layers.Dense(3)(h)})
    z = keras.Input((3,))
    h = layers.Reshape((2, 3, 4))(layers.Dense(24, use_bias=False)(z))
    h = layers.LeakyReLU()(layers.BatchNormalization()(layers.Conv2DTranspose(6, 4, 2, padding="same")(h)))
    h = layers.Conv2D(5, 3, padding="same", activation="gelu")(layers.UpSampling2D()(layers.Dropout(0.5)(h)))
    return encoder, keras.Model(z, layers.Activation("sigmoid")(layers.Conv2D(3, 3, padding="same")(h)))


def seeded(pair):
    """Set random biases and moving averages, unlike those of an untrained pair."""
    rng = np.random.default_rng(0)
    for model in pair:
        for variable in model.variables:
            shape = variable.shape
            if "float" not in variable.dtype:  # the state of a random generator
                continue
            scale = 0.3 if len(shape) == 1 else np.sqrt(2.0 / np.prod(shape[:-1]))
            value = rng.standard_normal(shape) * scale
            variable.assign(np.exp(value) if "variance" in variable.path else value)
    return pair


PAIRS = {"tutorial": tutorial, "example": example, "normalised": normalised}


@pytest.fixture(scope="module")
def pairs():
    return {name: seeded(pair()) for name, pair in PAIRS.items()}


@pytest.fixture(scope="module")
def saved(pairs, tmp_path_factory):
    """Each pair as .keras files and as SavedModels: paths by name and format."""
    paths = {}
    for name, pair in pairs.items():
        folder = tmp_path_factory.mktemp(name)
        for role, model in zip(("encoder", "decoder"), pair, strict=True):
            with warnings.catch_warnings(action="ignore"):  # Keras's own, while it saves
                model.save(folder / f"{role}.keras")
                model.export(folder / role, verbose=False)
        paths[name, ".keras"] = (folder / "encoder.keras", folder / "decoder.keras")
        paths[name, "SavedModel"] = (folder / "encoder", folder / "decoder")
    return paths


def own_codes(encoder, images):
    """Mean and logvar computed by Keras."""
    outputs = encoder(images, training=False)
    if isinstance(outputs, dict):
        outputs = (outputs["z_mean"], outputs["z_log_var"])
    return [np.asarray(code) for code in (tf.split(outputs, 2, axis=1) if tf.is_tensor(outputs) else outputs[:2])]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tutorial", ".keras"),
        ("tutorial", "SavedModel"),
        ("example", ".keras"),
        ("example", "SavedModel"),
        ("normalised", ".keras"),
        ("normalised", "object"),
    ],
)
def test_the_runtime_gives_the_models_own_numbers(pairs, saved, name, kind, tmp_path):
    encoder, decoder = pairs[name]
    with keras.saving.custom_object_scope({"Draw": Draw} if kind == ".keras" else {}):
        result = export_models(*(pairs[name] if kind == "object" else saved[name, kind]), tmp_path / "bundle")
    images = np.random.default_rng(1).integers(0, 256, (5, *encoder.input_shape[1:]), np.uint8)
    mean, logvar = own_codes(encoder, images / np.float32(255))
    pixels = decoder(mean, training=False)
    probs = tf.sigmoid(pixels) if name == "tutorial" else pixels
    with cvae_runtime.load(tmp_path / "bundle", provider="cpu") as model:
        codes = model.encode(images)
        np.testing.assert_allclose(codes.mean, mean, atol=2e-5)
        np.testing.assert_allclose(codes.logvar, logvar, atol=2e-5)
        np.testing.assert_allclose(model.decode(mean), probs, atol=1e-5)
        np.testing.assert_allclose(model.reconstruct(images), probs, atol=2e-5)
        assert np.ptp(probs) > 0.1
    for graph in result.manifest.graphs:
        nodes = onnx.load(tmp_path / "bundle" / graph.file).graph.node
        assert not [node.op_type for node in nodes if "Random" in node.op_type]


def test_manifest_of_external_models_has_no_training(pairs, tmp_path):
    result = export_models(*pairs["normalised"], tmp_path / "bundle", input_range=(-1, 1), binarize_at=99)
    manifest = read_bundle(tmp_path / "bundle").manifest
    assert manifest == result.manifest
    assert (manifest.training, result.elbo) == (None, None)
    assert [graph.verified.elbo_change for graph in manifest.graphs] == [None, None]
    model = manifest.model
    assert (model.image_shape, model.latent_dim, model.filters, model.likelihood) == ((8, 12, 3), 3, (), "bernoulli")
    assert (model.preprocessing.scale, model.preprocessing.binarize_at) == (255, 99)
    assert all(result.agrees for result in check_golden(read_bundle(tmp_path / "bundle")))


def test_images_measure_the_elbo(pairs, tmp_path):
    rng = np.random.default_rng(2)
    data = Dataset(*(rng.integers(0, 256, (count, 8, 12, 3), np.uint8) for count in (9, 6)))
    result = export_models(*pairs["normalised"], tmp_path / "bundle", data=data)
    with cvae_runtime.load(tmp_path / "bundle", provider="cpu") as model:
        assert model.score(data.test).elbo.mean() == pytest.approx(result.elbo.mean, rel=1e-5)
    assert (result.elbo.count, result.manifest.training) == (6, None)
    assert all(abs(graph.verified.elbo_change) < 1e-3 for graph in result.manifest.graphs)
    source = source_of_models(*pairs["normalised"], data=data)
    np.testing.assert_array_equal(source.calibration_images(), data.train)


def test_images_of_another_shape_are_refused(pairs, tiny_archive, tmp_path):
    with pytest.raises(InputError) as caught:
        export_models(*pairs["normalised"], tmp_path / "bundle", data=tiny_archive)
    assert str(caught.value) == (
        f"{tiny_archive}: expected images of (8, 12, 3), the encoder's input, found (8, 8, 1); pass other images, or leave out --data"
    )


@given(low=st.floats(-300, 300, width=32), span=st.floats(0.125, 600, width=32))
def test_pixels_fill_any_range(low, span):
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    seen = _preprocessing((low, low + span), None)(pixels)
    np.testing.assert_allclose(seen, low + pixels / 255 * span, rtol=1e-6, atol=1e-4)
    assert seen.dtype == tf.float32


@given(low=st.floats(-300, 300, width=32), span=st.floats(0.125, 600, width=32), binarize_at=st.integers(1, 255))
def test_a_threshold_leaves_both_ends_of_the_range(low, span, binarize_at):
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    seen = _preprocessing((low, low + span), binarize_at)(pixels)
    np.testing.assert_allclose(seen, np.where(pixels >= binarize_at, low + span, low), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("input_range", [(0, 1), (-1, 1), (0, 255)])
def test_the_encoder_sees_the_range_that_was_given(input_range):
    x, z = keras.Input((8, 8, 1)), keras.Input((64,))
    seen = layers.Flatten()(x)
    encoder, decoder = keras.Model(x, [seen, seen]), keras.Model(z, layers.Reshape((8, 8, 1))(z))
    source = source_of_models(encoder, decoder, input_range=input_range, decoder_output="logits")
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    expected = {(0, 1): pixels / 255, (-1, 1): pixels / 127.5 - 1, (0, 255): pixels}[input_range].reshape(4, 64)
    for images in (source.preprocess(pixels), source.preprocess_float(pixels / np.float32(255))):
        np.testing.assert_allclose(source.encode(images)[0], expected, rtol=3e-7, atol=3e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"decoder_output": "pixels"},
            "decoder_output: expected auto, logits, probs or two numbers, found 'pixels'",
        ),
        (
            {"decoder_output": (1, -1)},
            "decoder_output: expected the values of pixels 0 and 255, such as 0, 1; found 1, -1",
        ),
        ({"input_range": (1, 0)}, "input_range: expected the values of pixels 0 and 255, such as 0, 1; found 1, 0"),
        (
            {"input_range": (0, np.inf)},
            "input_range: expected the values of pixels 0 and 255, such as 0, 1; found 0, inf",
        ),
        ({"binarize_at": 0}, "binarize_at: expected a threshold from 1 to 255, found 0"),
    ],
)
def test_invalid_options_are_errors(pairs, options, message):
    with pytest.raises(InputError) as caught:
        source_of_models(*pairs["normalised"], **options)
    assert str(caught.value) == message


def test_existing_target_raises_before_loading(tmp_path):
    (tmp_path / "bundle").mkdir()
    with pytest.raises(TargetExistsError, match="bundle exists already; choose another name or pass --overwrite"):
        export_models("encoder.keras", "decoder.keras", tmp_path / "bundle")


def test_command_exports_a_pair_and_warns_of_logits(cvae_export, saved, caplog, tmp_path):
    encoder, decoder = saved["tutorial", ".keras"]
    code, err = cvae_export("--encoder", encoder, "--decoder", decoder, "--onnx", tmp_path / "bundle")
    assert code == 0
    _, *table = err.split("graph ", maxsplit=1)[1].splitlines()
    table, rest = table[:3], table[3:]
    assert caplog.messages == [
        (
            f"decoder {decoder}: has no activation at its end, so its output is read as logits; for pixels pass "
            "--decoder-output LOW,HIGH"
        )
    ]
    assert [line.split()[0] for line in table] == ["encoder.onnx", "encoder.onnx", "decoder.onnx"]
    assert [line.split()[4] for line in table] == ["-"] * 3  # without an ELBO there is no change
    assert f"{tmp_path / 'bundle'}: encoder.onnx, decoder.onnx" in rest


def test_command_passes_options_of_the_pair(cvae_export, saved, tmp_path):
    rng = np.random.default_rng(3)
    parts = {name: rng.integers(0, 256, (4, 28, 28), np.uint8) for name in ("x_train", "x_test")}
    np.savez(tmp_path / "set.npz", **parts)
    pair = ("--encoder", saved["example", "SavedModel"][0], "--decoder", saved["example", "SavedModel"][1])
    options = (
        "--decoder-output",
        "0,0.5",
        "--input-range",
        "-1,1",
        "--binarize-at",
        100,
        "--data",
        tmp_path / "set.npz",
    )
    code, err = cvae_export(*pair, *options, "--onnx", tmp_path / "bundle")
    assert (code, err.count("nats per image over 4 images\n")) == (0, 1)
    with cvae_runtime.load(tmp_path / "bundle", provider="cpu") as model:
        assert model.manifest.model.preprocessing.binarize_at == 100
        assert model.generate(4).max() == 1.0  # where the sigmoid exceeds 0.5
    assert cvae_export(*pair, "--onnx", tmp_path / "quiet", "-q") == (0, "")


def test_unknown_layer_exits_1(cvae_export, saved, tmp_path):
    encoder, decoder = saved["example", ".keras"]
    code, err = cvae_export("--encoder", encoder, "--decoder", decoder, "--onnx", tmp_path / "bundle")
    assert code == 1
    assert err == (
        f"Error: encoder {encoder}: cannot be loaded: Could not locate class 'Draw'. Make sure custom classes and functions are decorated with `@keras.saving.register_keras_serializable()`; load it in Python with its custom layers and "
        "pass it to cvae_export.export_models, or save it with model.export('NAME')\n"
    )


USAGE = "Error: expected either RUN, or --encoder and --decoder with their options; found "


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), USAGE + "neither"),
        (("--encoder", "e"), USAGE + "--encoder"),
        (("--decoder", "d", "--binarize-at", 9), USAGE + "--decoder, --binarize-at"),
        (("run", "--encoder", "e", "--decoder", "d"), USAGE + "RUN, --encoder, --decoder"),
        (("run", "--input-range", "0,1"), USAGE + "RUN, --input-range"),
        (
            ("--input-range", "0-1"),
            "Error: Invalid value for '--input-range': '0-1': expected two numbers separated by a comma, such as 0,1",
        ),
        (("--binarize-at", 256), "Error: Invalid value for '--binarize-at': 256 is not in the range 1<=x<=255."),
        (
            ("--decoder-output", "mean"),
            (
                "Error: Invalid value for '--decoder-output': 'mean': expected auto, logits, probs, or two numbers separated by a "
                "comma, such as -1,1"
            ),
        ),
        (
            ("--decoder-output", "-1,one"),
            "Error: Invalid value for '--decoder-output': '-1,one': expected two numbers separated by a comma, such as 0,1",
        ),
    ],
)
def test_usage_errors_exit_2(cvae_export, arguments, message):
    code, err = cvae_export(*arguments, "--onnx", "bundle")
    assert (code, err.splitlines()[-1]) == (2, message)


def raw_pair(activation, front):
    """An untrained pair: the encoder rescales raw pixels, the decoder returns another range."""
    x, z = keras.Input((8, 8, 1), dtype="uint8"), keras.Input((3,))
    h = layers.Flatten()(front(x))
    pixels = layers.Reshape((8, 8, 1))(layers.Dense(64, activation=activation)(z))
    return keras.Model(x, [layers.Dense(3)(h), layers.Dense(3)(h)]), keras.Model(z, pixels)


def save(folder, *pair):
    """Save a pair and return the command's options for it."""
    arguments = []
    for role, model in zip(("encoder", "decoder"), pair, strict=True):
        with warnings.catch_warnings(action="ignore"):  # Keras's own, while it saves
            model.save(folder / f"{role}.keras")
        arguments += [f"--{role}", folder / f"{role}.keras"]
    return arguments


def test_raw_pixels_and_tanh_export(cvae_export, tmp_path):
    encoder, decoder = seeded(raw_pair("tanh", layers.Rescaling(1 / 127.5, -1)))
    arguments = save(tmp_path, encoder, decoder)
    arguments += ["--onnx", tmp_path / "bundle", "-q"]
    code, err = cvae_export(*arguments)
    assert (code, err) == (
        1,
        (
            f"Error: decoder {tmp_path}/decoder.keras: expected a sigmoid or logits at its end, found values in [-1, 1], from Tanh; "
            "pass --decoder-output -1,1 if these are pixels 0 and 255\n"
        ),
    )
    assert cvae_export(*arguments, "--decoder-output", "-1,1") == (0, "")
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 1), np.uint8)
    mean, logvar = encoder(images, training=False)
    with cvae_runtime.load(tmp_path / "bundle", provider="cpu") as model:
        codes = model.encode(images)
        np.testing.assert_allclose(codes.mean, mean, atol=2e-5)
        np.testing.assert_allclose(codes.logvar, logvar, atol=2e-5)
        np.testing.assert_allclose(model.decode(mean.numpy()), (decoder(mean) + 1) / 2, atol=1e-5)


def test_a_loop_exits_1_with_one_sentence(cvae_export, tmp_path):
    encoder, decoder = raw_pair("sigmoid", lambda x: layers.GRU(4, name="reader")(layers.Reshape((8, 8))(x)))
    code, err = cvae_export(*save(tmp_path, encoder, decoder), "--onnx", tmp_path / "bundle")
    assert (code, err) == (
        1,
        (
            f"Error: encoder {tmp_path}/encoder.keras: expected a plain graph without control flow, found Loop in "
            f"{encoder.name}/reader; build recurrent layers with unroll=True, and unroll other loops\n"
        ),
    )
    assert not (tmp_path / "bundle").exists()
