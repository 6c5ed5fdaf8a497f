import re

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers

from cvae_export import ConversionError
from cvae_export._convert import convert, finish
from cvae_export._functions import FUNCTIONS
from cvae_export._keras_source import source_of_models
from cvae_export.passes import PORTABLE
from cvae_runtime import InputError
from cvae_train import Dataset

SHAPE = (8, 8, 1)


def encoder(outputs=lambda h: [layers.Dense(3)(h), layers.Dense(3)(h)], shape=SHAPE, **options):
    x = keras.Input(shape, **options)
    return keras.Model(x, outputs(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x))))


def decoder(shape=SHAPE, size=3, last=lambda h: h, **options):
    z = keras.Input((size,), **options)
    return keras.Model(z, last(layers.Reshape(shape)(layers.Dense(int(np.prod(shape)))(z))))


def refusal(*pair, **options):
    with pytest.raises(InputError) as caught:
        source_of_models(*pair, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("input_shape", "found", "advice"),
    [
        ((8, 8, 2), "(None, 8, 8, 2)", "pass a model of such images"),
        (
            (None, None, 1),
            "(None, None, None, 1)",
            "wrap it: x = keras.Input((H, W, 1)); keras.Model(x, model(x))",
        ),
        (
            (20,),
            "(None, 20)",
            "wrap it: x = keras.Input((H, W, C)); keras.Model(x, model(keras.layers.Flatten()(x)))",
        ),
    ],
)
def test_an_encoder_takes_images_of_one_size(input_shape, found, advice):
    x = keras.Input(input_shape)
    assert refusal(keras.Model(x, layers.Rescaling(1.0)(x)), decoder()) == (
        f"encoder: expected an input (None, H, W, C), images of one size with 1 or 3 channels, channels last; "
        f"found {found}; {advice}"
    )


def take_advice(message, model):
    """Run the code that a message advises for a model; return the resulting model."""
    names = {"keras": keras, "model": model}
    statement, expression = message.split("; wrap it: ")[1].split("; ")
    exec(statement, names)
    return eval(expression, names)


@pytest.mark.parametrize("shape", [(64,), (192,), (8, 8), (1, 8, 8), (3, 8, 8)])
def test_advised_wrapping_of_an_encoder_works(shape):
    x = keras.Input(shape)
    h = layers.Flatten()(x)
    model = keras.Model(x, [layers.Dense(3)(h), layers.Dense(3)(h)])
    image_shape = (8, 8, 3 if np.prod(shape) == 192 else 1)
    wrapped = take_advice(refusal(model, decoder()), model)
    assert source_of_models(wrapped, decoder(image_shape)).info.image_shape == image_shape


@pytest.mark.parametrize("shape", [(64,), (1, 8, 8)])
def test_advised_wrapping_of_a_decoder_works(shape):
    flat = decoder(shape)
    wrapped = take_advice(refusal(encoder(), flat), flat)
    assert source_of_models(encoder(), wrapped).info.image_shape == SHAPE


def test_swapped_models_are_refused():
    assert refusal(decoder(), encoder()) == (
        "encoder and decoder: expected an encoder of images and a decoder of latents, found inputs of (None, 3) and "
        "(None, 8, 8, 1); swap the two models"
    )


def test_a_fixed_batch_is_refused_for_both():
    assert "found (5, 8, 8, 1); wrap it: " in refusal(encoder(batch_size=5), decoder())
    assert refusal(encoder(), decoder(batch_size=5)) == (
        "decoder: expected an input (None, L), latents; found (5, 3); "
        "wrap it: z = keras.Input((L,)); keras.Model(z, model(z))"
    )


def test_latents_and_images_must_fit_each_other():
    together = "pass an encoder and a decoder of one model"
    assert refusal(encoder(), decoder(size=4)) == (
        f"encoder: expected mean and logvar of (None, 4), the decoder's input, found (None, 3) and (None, 3); {together}"
    )
    assert refusal(encoder(lambda h: [layers.Dense(3)(h), h]), decoder()) == (
        f"encoder: expected mean and logvar of (None, 3), the decoder's input, found (None, 3) and (None, 4); {together}"
    )
    assert refusal(encoder(), decoder((8, 8, 3))) == (
        f"decoder: expected images of (None, 8, 8, 1), the encoder's input, found (None, 8, 8, 3); {together}"
    )


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        (layers.Dense(3), "(None, 3)"),
        (lambda h: [h] * 4, "(None, 4) and (None, 4) and (None, 4) and (None, 4)"),
        (lambda h: {"a": h, "mean": h}, "a (None, 4), mean (None, 4)"),
    ],
    ids=["odd", "four", "named otherwise"],
)
def test_an_encoder_gives_mean_and_logvar(outputs, found):
    assert refusal(encoder(outputs), decoder()) == (
        f"encoder: expected the outputs mean and logvar, in this order or with these names, optionally followed by a "
        f"sample, or one output that concatenates both; found {found}; pass keras.Model(x, [mean, logvar])"
    )


def test_a_decoder_gives_one_output():
    assert refusal(encoder(), decoder(last=lambda h: [h, h])) == (
        "decoder: expected one output, images, found (None, 8, 8, 1) and (None, 8, 8, 1); pass keras.Model(z, images)"
    )


@pytest.mark.parametrize(
    "names",
    [("mean", "logvar"), ("z_mean", "z_log_var"), ("Z_Mean", "LogVar")],
)
def test_named_outputs_may_come_in_any_order(names):
    mean, logvar = layers.Dense(3), layers.Dense(3)
    pair = encoder(lambda h: {"a": h, names[1]: logvar(h), names[0]: mean(h)}), decoder()
    x = tf.ones((2, *SHAPE))
    codes = source_of_models(*pair, decoder_output="logits").encode(x)
    expected = pair[0](x)
    for code, name in zip(codes, names, strict=True):
        np.testing.assert_array_equal(code, expected[name])


def test_sampling_in_the_encoder_is_an_error():
    class Draw(layers.Layer):
        def call(self, mean):
            return mean + tf.random.normal(tf.shape(mean))

    assert refusal(encoder(lambda h: [Draw()(layers.Dense(3)(h)), layers.Dense(3)(h)]), decoder()) == (
        "encoder: expected deterministic outputs, found different ones for the same input; "
        "pass a model without sampling and noise: keras.Model(x, [mean, logvar])"
    )


def test_outputs_must_not_depend_on_the_batch():
    pair = first(layers.Conv2D(4, 3), layers.Lambda(lambda h: h / tf.reduce_max(tf.abs(h))))
    assert refusal(*pair) == (
        "encoder: expected outputs that depend on one input alone, found ones that depend on the batch; pass a model in "
        "inference mode, without statistics over the first axis"
    )
    assert "expected a model that takes any batch size" in refusal(
        encoder(),
        decoder(last=lambda h: layers.Activation("sigmoid")(layers.Lambda(lambda h: tf.reshape(h, (64, 8, 8, 1)))(h))),
    )


def test_a_model_that_fails_is_one_line(tmp_path):
    class One(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32)])
        def __call__(self, z):
            return {"pixels": tf.ensure_shape(z, (1, 3))}

    model = One()
    tf.saved_model.save(model, str(tmp_path / "one"), signatures=model.__call__)
    message = refusal(encoder(), tmp_path / "one")
    assert len(message.splitlines()) == 1
    assert message.startswith(
        f"decoder {tmp_path / 'one'}: expected a model that takes any batch size, found one that fails on a few inputs: "
    )
    assert message.endswith("; fix that layer, or leave it out")


ENDS = {
    "no activation": (layers.Conv2DTranspose(1, 3, padding="same"), "logits"),
    "no bias": (layers.Conv2D(1, 3, padding="same", use_bias=False), "logits"),
    "dense": (lambda h: layers.Reshape(SHAPE)(layers.Dense(64)(layers.Flatten()(h))), "logits"),
    "hard sigmoid": (layers.Activation("hard_sigmoid"), "probs"),
    "rescaled tanh": (lambda h: layers.Rescaling(0.5, 0.5)(layers.Activation("tanh")(h)), "probs"),
    "sigmoid": (layers.Conv2D(1, 3, padding="same", activation="sigmoid"), "probs"),
    "sigmoid behind": (lambda h: layers.Reshape(SHAPE)(layers.Activation("sigmoid")(layers.Flatten()(h))), "probs"),
    "cropped": (lambda h: layers.Cropping2D(1)(layers.Conv2DTranspose(1, 3, activation="sigmoid")(h)), "probs"),
}


@pytest.mark.parametrize(("last", "kind"), ENDS.values(), ids=ENDS)
def test_decoder_end_implies_logits_or_probabilities(last, kind):
    own = decoder(last=last)
    z = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    probs = source_of_models(encoder(), own).decode(z)["probs"]
    np.testing.assert_allclose(probs, tf.sigmoid(own(z)) if kind == "logits" else own(z), atol=1e-6)


WHAT = "pass --decoder-output LOW,HIGH, its values for pixels 0 and 255, such as 0,1 or 0,255"


@pytest.mark.parametrize(
    ("last", "found"),
    [
        (
            layers.Activation("tanh"),
            "values in [-1, 1], from Tanh; pass --decoder-output -1,1 if these are pixels 0 and 255",
        ),
        (
            lambda h: layers.Rescaling(255.0)(layers.Activation("sigmoid")(h)),
            "values in [0, 255], from Sigmoid; pass --decoder-output 0,255 if these are pixels 0 and 255",
        ),
        (layers.ReLU(), f"values above 0, from Relu; {WHAT}"),
        (layers.Activation("softplus"), f"values above 0, from Softplus; {WHAT}"),
        (layers.Activation("swish"), f"the operator Mul; {WHAT}, or logits"),
        (layers.Conv2D(1, 1, bias_initializer=keras.initializers.Constant(255.0)), "values up to"),
    ],
    ids=["tanh", "0 to 255", "relu", "softplus", "swish", "linear 0 to 255"],
)
def test_other_ends_need_an_option(last, found):
    assert refusal(encoder(), decoder(last=last)).startswith(
        f"decoder: expected a sigmoid or logits at its end, found {found}"
    )


@pytest.mark.parametrize(
    ("activation", "output", "message"),
    [
        (
            "tanh",
            "logits",
            "logits, found values in [-1, 1], from Tanh; pass --decoder-output -1,1 if these are pixels 0 and 255",
        ),
        ("sigmoid", "logits", "logits, found values in [0, 1], from Sigmoid; pass --decoder-output probs"),
        ("relu", "logits", f"logits, found values above 0, from Relu; {WHAT}"),
        (
            "tanh",
            "probs",
            "probabilities, in [0, 1], found values in [-1, 1], from Tanh; pass --decoder-output -1,1 if these are pixels 0 and 255",
        ),
        (
            "sigmoid",
            (-1.0, 1.0),
            "values from -1 to 1, found values in [0, 1], from Sigmoid; pass --decoder-output probs",
        ),
        ("relu", (-1.0, 1.0), f"values from -1 to 1, found values above 0, from Relu; {WHAT}"),
    ],
)
def test_contradicted_decoder_output_is_an_error(activation, output, message):
    pair = encoder(), decoder(last=layers.Activation(activation))
    assert refusal(*pair, decoder_output=output) == f"decoder: expected {message}"


@pytest.mark.parametrize(
    ("last", "output", "expected"),
    [
        (layers.Activation("tanh"), (-1.0, 1.0), lambda t: (t + 1) / 2),
        (lambda h: layers.Rescaling(255.0)(layers.Activation("sigmoid")(h)), (0.0, 255.0), lambda t: t / 255),
        (layers.Activation("linear"), (0.0, 1.0), lambda t: np.clip(t, 0, 1)),
        (layers.ReLU(), (0.0, 2.0), lambda t: np.clip(t / 2, 0, 1)),
        (lambda h: 10.0 * keras.ops.tanh(h), "logits", tf.sigmoid),
    ],
    ids=["tanh", "0 to 255", "linear", "relu", "bounded logits"],
)
def test_a_decoders_range_becomes_probabilities(last, output, expected):
    own = decoder(last=last)
    z = 3 * np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    source = source_of_models(encoder(), own, decoder_output=output)
    np.testing.assert_allclose(source.decode(z)["probs"], expected(own(z).numpy()), atol=1e-6)


def test_probabilities_are_between_0_and_1():
    pair = (
        encoder(),
        decoder(last=layers.Dense(1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(2))),
    )
    assert refusal(*pair, decoder_output="probs") == (
        f"decoder: expected probabilities, in [0, 1], found 2 to 2; {WHAT}, or logits"
    )


def first(*first, dtype="float32", shape=SHAPE):
    """An encoder that begins with given layers, and an untrained decoder of probabilities."""
    x = keras.Input(shape, dtype=dtype)
    h = x
    for layer in first:
        h = layer(h)
    h = layers.Flatten()(layers.Conv2D(4, 3)(h))
    return keras.Model(x, [layers.Dense(3)(h), layers.Dense(3)(h)]), decoder(shape, last=layers.Activation("sigmoid"))


def adapted(values, axis=None):
    layer = layers.Normalization(axis=axis)
    layer.adapt(np.asarray(values, np.float32))
    return layer


def raw_statistics():
    """A batch normalization trained on pixels 0 to 255."""
    return layers.BatchNormalization(
        moving_mean_initializer=keras.initializers.Constant(127.0),
        moving_variance_initializer=keras.initializers.Constant(5e3),
    )


NOISE = np.random.default_rng(0).random((50, *SHAPE))

BEGINS = {
    "nothing": (first, (0, 1)),
    "uint8": (lambda: first(layers.Rescaling(1 / 255), dtype="uint8"), (0, 255)),
    "int32 and a cast": (lambda: first(layers.Lambda(lambda x: tf.cast(x, tf.float32)), dtype="int32"), (0, 255)),
    "rescaling": (lambda: first(layers.Rescaling(1 / 255)), (0, 255)),
    "rescaling behind a move": (lambda: first(layers.ZeroPadding2D(1), layers.Rescaling(1 / 255)), (0, 255)),
    "rescaling to -1": (lambda: first(layers.Rescaling(1 / 127.5, -1)), (0, 255)),
    "rescaling of 0 to 1": (lambda: first(layers.Rescaling(2.0, -1)), (0, 1)),
    "rescaling of -1 to 1": (lambda: first(layers.Rescaling(0.5, 0.5)), (-1, 1)),
    "a lambda that divides": (lambda: first(layers.Lambda(lambda x: x / 255.0)), (0, 255)),
    "a mean alone": (lambda: first(layers.Lambda(lambda x: x - 123.7)), (0, 255)),
    "the negative": (lambda: first(layers.Lambda(lambda x: 1.0 - x)), (0, 1)),
    "statistics of 0 to 1": (lambda: first(adapted(NOISE)), (0, 1)),
    "statistics of 0 to 255": (lambda: first(adapted(255 * NOISE)), (0, 255)),
    "statistics of pixels": (lambda: first(adapted(255 * NOISE, axis=(1, 2, 3))), (0, 255)),
    "statistics of -1 to 1": (lambda: first(adapted(NOISE - 1)), (-1, 1)),
    "batches of 0 to 255": (lambda: first(raw_statistics()), (0, 255)),
}


@pytest.mark.parametrize(("make", "expected"), BEGINS.values(), ids=BEGINS)
def test_first_layers_imply_the_input_range(make, expected, caplog):
    pair = make()
    source = source_of_models(*pair)
    pixels = np.arange(256, dtype=np.uint8).reshape(4, *SHAPE)
    low, high = expected
    fed = low + pixels / 255 * (high - low)  # the input as in training
    codes = pair[0](fed.astype(pair[0].inputs[0].dtype), training=False)
    for code, own in zip(source.encode(source.preprocess(pixels)), codes, strict=True):
        np.testing.assert_allclose(code, own, rtol=1e-4, atol=1e-4)
    assert np.ptp(codes[0].numpy(), axis=0).max() > 1e-2  # not zeros on both sides
    said = [] if expected == (0, 1) else [
        f"encoder: pixels are passed as {low} to {high}, inferred from its input, its first layers and the decoder's output"
    ]  # fmt: skip
    assert caplog.messages == said


@pytest.mark.parametrize(
    ("make", "found", "remedy"),
    [
        (lambda: first(layers.Lambda(lambda x: x * x)), "Mul before its first weights", "0,255"),
        (lambda: first(layers.LayerNormalization(axis=(1, 2, 3))), "Sub before its first weights", "0,255"),
        (
            lambda: first(layers.Lambda(lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32))),
            "Cast before its first weights",
            "0,255",
        ),
        (lambda: first(layers.Rescaling(1 / 65535)), "a factor of 1.53e-05 before its first weights", "0,65535"),
        (lambda: first(layers.Rescaling(1 / 65535), dtype="uint16"), "an input of uint16", "0,65535"),
        (lambda: first(layers.Rescaling(1 / 128), dtype="int8"), "an input of int8", "-128,127"),
    ],
    ids=["square", "layer normalisation", "cast", "float of 16 bits", "16 bits", "signed"],
)
def test_unknown_first_layers_need_an_input_range(make, found, remedy):
    pair = make()
    assert refusal(*pair) == (
        f"encoder: expected first layers that show its input range, found {found}; "
        f"pass --input-range LOW,HIGH, such as {remedy}"
    )
    assert source_of_models(*pair, input_range=tuple(map(float, remedy.split(","))))


def test_bool_inputs_need_a_threshold():
    pair = first(layers.Lambda(lambda x: tf.cast(x, tf.float32)), dtype="bool")
    assert refusal(*pair).endswith("found an input of bool; pass --binarize-at 128")
    source = source_of_models(*pair, binarize_at=128)
    pixels = np.arange(256, dtype=np.uint8).reshape(4, *SHAPE)
    np.testing.assert_allclose(source.encode(source.preprocess(pixels))[0], pair[0](pixels >= 128)[0], atol=1e-6)


REMEDY = "leave out --input-range, or pass the range that the model was trained on"


@pytest.mark.parametrize(
    ("front", "dtype", "stated", "message"),
    [
        (1 / 255, "float32", (0, 1), "the input range that its first layers rescale, found 0,1, which they turn into 0 to 0.00392"),
        (1 / 255, "float32", (-1, 1), "the input range that its first layers rescale, found -1,1, which they turn into -0.00392 to 0.00392"),
        (
            1 / 255,
            "uint8",
            (0, 1),
            "an input range whose pixels are integers that its input, uint8, holds, found 0,1",
        ),
        (1.0, "int32", (-1, 1), "an input range whose pixels are integers that its input, int32, holds, found -1,1"),
        (1.0, "uint8", (0, 510), "an input range whose pixels are integers that its input, uint8, holds, found 0,510"),
    ],
)  # fmt: skip
def test_contradicted_input_range_is_an_error(front, dtype, stated, message):
    pair = first(layers.Rescaling(front), dtype=dtype)
    assert refusal(*pair, input_range=stated) == f"encoder: expected {message}; {REMEDY}"


def test_input_range_defaults_to_the_decoder_range():
    x = keras.Input(SHAPE)
    h = layers.Flatten()(x)
    pair = keras.Model(x, [layers.Dense(3)(h), layers.Dense(3)(h)]), decoder(last=layers.Activation("tanh"))
    source = source_of_models(*pair, decoder_output=(-1.0, 1.0))
    np.testing.assert_allclose(source.preprocess(np.array([0, 255], np.uint8)), [-1, 1])


def identity():
    """A pair that reconstructs images of one value from one latent dimension."""
    x, z = keras.Input((2, 2, 1)), keras.Input((1,))
    mean = layers.Rescaling(1.0)(layers.GlobalAveragePooling2D()(x))
    encoder = keras.Model(x, [mean, layers.Rescaling(0.0, -9.0)(mean)])
    ones = layers.Dense(4, kernel_initializer="ones", trainable=False)
    return encoder, keras.Model(z, layers.Reshape((2, 2, 1))(ones(z)))


def test_images_reveal_wrong_ranges():
    images = np.repeat(np.arange(0, 250, 10, dtype=np.uint8), 4).reshape(-1, 2, 2, 1)
    data = Dataset(images, images)
    with pytest.raises(InputError) as caught:
        source_of_models(*identity(), data=data)
    assert re.fullmatch(
        r"encoder and decoder: expected reconstructions close to the images, found a mean squared error of 0\.067, and "
        r"(0|\S+e-\d\d) with other options; pass --input-range 0,1 --decoder-output 0,1",
        str(caught.value),
    )
    assert source_of_models(*identity(), data=data, decoder_output=(0.0, 1.0))
    noise = np.random.default_rng(0).integers(0, 256, (9, *SHAPE), np.uint8)
    assert source_of_models(*first(), data=Dataset(noise, noise))  # untrained, so nothing is reconstructed


@pytest.mark.parametrize(
    ("activation", "outputs", "found"),
    [
        ("softplus", "logvar", "a logvar that Softplus keeps above 0"),
        ("exponential", "logvar", "a logvar that Exp keeps above 0"),
        (lambda h: keras.ops.elu(h) + 1, "logvar", "a logvar that Elu keeps above 0"),
        ("softplus", "mean", "a mean that Softplus keeps above 0"),
    ],
    ids=["softplus", "exp", "elu", "swapped"],
)
def test_encoder_with_variance_output_is_an_error(activation, outputs, found):
    def make(h):
        spread, other = layers.Dense(3, activation=activation)(h), layers.Dense(3)(h)
        return [other, spread] if outputs == "logvar" else [spread, other]

    assert refusal(encoder(make), decoder(), decoder_output="logits") == (
        f"encoder: expected mean and logvar, the logarithm of the variance, found {found}, like a standard deviation "
        f"or variance; pass keras.Model(x, [mean, 2 * keras.ops.log(sigma)]), or keras.ops.log(variance)"
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("z_sigma", "a standard deviation; pass keras.Model(x, {'mean': mean, 'logvar': 2 * keras.ops.log(z_sigma)})"),
        ("latent_var", "a variance; pass keras.Model(x, {'mean': mean, 'logvar': keras.ops.log(latent_var)})"),
        ("log_std_1", "a log of a standard deviation; pass keras.Model(x, {'mean': mean, 'logvar': 2 * log_std_1})"),
    ],
)
def test_output_named_like_a_variance_is_an_error(name, found):
    pair = encoder(lambda h: [layers.Dense(3, name="z_mean")(h), layers.Dense(3, name=name)(h)]), decoder()
    assert refusal(*pair, decoder_output="logits") == (
        f"encoder: expected mean and logvar, the logarithm of the variance, found the output {name}, whose name means {found}"
    )


@pytest.mark.parametrize("names", [("z_mean", "z_log_var"), ("mu", "log_sigma_sq"), ("latent_mu_1", "latent_logvar_1")])
def test_names_identify_outputs_in_any_order(names):
    own = encoder(lambda h: [layers.Dense(3, name=names[1])(h), layers.Dense(3, name=names[0])(h)])
    x = tf.ones((2, *SHAPE))
    mean, logvar = source_of_models(own, decoder(), decoder_output="logits").encode(x)
    expected = own(x)
    np.testing.assert_array_equal(mean, expected[1])
    np.testing.assert_array_equal(logvar, expected[0])


class Captured(layers.Layer):
    def __init__(self, shape, **options):
        super().__init__(**options)
        self.factors = tf.constant(np.random.default_rng(0).random(shape), tf.float32)

    def call(self, x):
        return x * self.factors


class Kernel(Captured):
    def call(self, x):
        return tf.nn.conv2d(x, self.factors, 1, "SAME")


RIGHT = {
    "a captured constant": lambda: first(layers.Conv2D(8, 3, padding="same"), Captured((8, 8, 8))),
    "a captured kernel": lambda: first(Kernel((3, 3, 1, 32))),
    "statistics": lambda: first(layers.Conv2D(200, 1), adapted(np.random.default_rng(0).random((9, 8, 8, 200)), axis=-1)),
    "float64": lambda: first(layers.Conv2D(4, 3, dtype="float64"), layers.BatchNormalization(dtype="float64")),
    "groups": lambda: first(layers.Conv2D(4, 3), layers.Conv2D(6, 3, groups=2)),
    "celu": lambda: first(layers.Conv2D(4, 3, activation="celu")),
    "log1p": lambda: first(layers.Conv2D(4, 3, activation="relu"), layers.Lambda(keras.ops.log1p)),
    "names with spaces": lambda: first(layers.Conv2D(4, 3, name="my first layer"), layers.ReLU(name="a (b)")),
    "unrolled": lambda: first(
        layers.Conv2D(4, 3), layers.Reshape((4, 36)), layers.GRU(4, unroll=True), layers.Reshape((2, 2, 1)), layers.ZeroPadding2D(1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT)
def test_layers_that_tf2onnx_lacks_are_converted(make, caplog):
    encoder, decoder = make()
    source = source_of_models(encoder, decoder)
    proto = convert(FUNCTIONS["encoder"](source), 15)
    assert [value.name for value in proto.graph.input] == ["images"]
    graph, _ = finish(proto, PORTABLE, ("mean", "logvar"), {"cvae.role": "encoder"})
    pixels = np.random.default_rng(1).integers(0, 256, (3, *SHAPE), np.uint8)
    found = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"images": pixels})
    for code, own in zip(found, encoder(pixels / np.float32(255), training=False), strict=True):
        np.testing.assert_allclose(code, own, rtol=1e-5, atol=1e-5)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            lambda: layers.Resizing(6, 6, interpolation="lanczos3", name="enlarge"),
            (
                r"encoder: expected operators that ONNX has, found ScaleAndTranslate in functional_?\d*/enlarge/resize; resize with "
                r"interpolation 'bilinear' or 'bicubic', and without antialias"
            ),
        ),
        (
            lambda: layers.Lambda(keras.ops.erfinv, name="inverse"),
            r"encoder: expected operators that ONNX has, found Erfinv in functional_?\d*/inverse/erfinv; use another layer",
        ),
    ],
    ids=["lanczos", "erfinv"],
)
def test_operator_that_onnx_lacks_is_named_with_its_layer(layer, message, caplog):
    with pytest.raises(ConversionError) as caught:
        source_of_models(*first(layers.Conv2D(4, 3), layer()))
    assert re.fullmatch(message, str(caught.value))
    assert caplog.messages == []


@pytest.mark.parametrize("layer", [layers.GRU, layers.SimpleRNN])
def test_a_loop_is_refused_before_anything_is_compared(layer):
    pair = first(
        layers.Conv2D(4, 3),
        layers.Reshape((36, 4)),
        layer(4, name="reader"),
        layers.Reshape((2, 2, 1)),
        layers.ZeroPadding2D(1),
    )
    with pytest.raises(ConversionError) as caught:
        source_of_models(*pair)
    assert re.fullmatch(
        r"encoder: expected a plain graph without control flow, found Loop in functional_?\d*/reader; build recurrent layers "
        r"with unroll=True, and unroll other loops",
        str(caught.value),
    )  # fmt: skip


def test_encoder_must_use_its_input():
    blind = encoder(
        lambda h: [layers.Rescaling(0.0)(layers.Dense(3)(h)), layers.Rescaling(0.0, 1.0)(layers.Dense(3)(h))]
    )
    assert refusal(blind, decoder(), decoder_output="logits") == (
        "encoder: expected codes that depend on the image, found the same for all; pass a model that uses its "
        "input, or pass the --input-range that it was trained on"
    )


def test_a_layer_that_fails_is_named_with_its_reason():
    class Fails(layers.Layer):
        reason = ""

        def call(self, x):
            if self.reason:
                raise RuntimeError(self.reason)
            return x

    fails = Fails(name="picky")
    pair = first(layers.Conv2D(4, 3), fails)
    fails.reason = "no luck\n  at all."
    with pytest.raises(ConversionError) as caught:
        source_of_models(*pair)
    reason = "layer 'picky': no luck at all; fix that layer, or leave it out"
    assert str(caught.value) == f"encoder: cannot be traced as a graph: {reason}"
