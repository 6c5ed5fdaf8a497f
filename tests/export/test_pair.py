import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from cvae_export._elsewhere import subject_of_models
from cvae_export._network import network_of
from cvae_export._pair import _kind_of_output
from cvae_runtime import InputError

SHAPE = (8, 8, 1)


def encoder(outputs=lambda h: [layers.Dense(3)(h), layers.Dense(3)(h)], shape=SHAPE, **options):
    x = keras.Input(shape, **options)
    return keras.Model(x, outputs(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x))))


def decoder(shape=SHAPE, size=3, last=lambda h: h, **options):
    z = keras.Input((size,), **options)
    return keras.Model(z, last(layers.Reshape(shape)(layers.Dense(int(np.prod(shape)))(z))))


def refusal(*pair, **options):
    with pytest.raises(InputError) as caught:
        subject_of_models(*pair, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("input_shape", "found"),
    [
        ((8, 8), "(None, 8, 8)"),
        ((1, 8, 8), "(None, 1, 8, 8)"),
        ((8, 8, 2), "(None, 8, 8, 2)"),
        ((None, None, 1), "(None, None, None, 1)"),
    ],
)
def test_an_encoder_takes_images_of_one_size(input_shape, found):
    x = keras.Input(input_shape)
    assert refusal(keras.Model(x, layers.Rescaling(1.0)(x)), decoder()) == (
        f"encoder: expected an input (None, H, W, C), any number of images of one size with 1 or 3 channels, channels last; "
        f"found {found}; wrap it: x = keras.Input((H, W, C)); keras.Model(x, model(x))"
    )


def test_a_fixed_batch_is_refused_for_both():
    assert "found (5, 8, 8, 1); wrap it: " in refusal(encoder(batch_size=5), decoder())
    assert refusal(encoder(), decoder(batch_size=5)) == (
        "decoder: expected an input (None, L), any number of latents; found (5, 3); "
        "wrap it: z = keras.Input((L,)); keras.Model(z, model(z))"
    )


def test_latents_and_images_must_fit_each_other():
    together = "give an encoder and a decoder that belong together"
    assert refusal(encoder(), decoder(size=4)) == (
        f"encoder: expected mean and logvar of (None, 4), the decoder's input, found (None, 3) and (None, 3); {together}"
    )
    assert refusal(encoder(lambda h: [layers.Dense(3)(h), h]), decoder()) == (
        f"encoder: expected mean and logvar of (None, 3), the decoder's input, found (None, 3) and (None, 4); {together}"
    )
    for shape, found in (((8, 8, 3), "(None, 8, 8, 3)"), ((64,), "(None, 64)")):
        assert refusal(encoder(), decoder(shape)) == (
            f"decoder: expected images of (None, 8, 8, 1), the encoder's input, found {found}; {together}"
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
        f"encoder: expected the outputs mean and logvar, in this order or by these names, perhaps with a draw behind them, or "
        f"one output of both side by side; found {found}; give keras.Model(x, [mean, logvar])"
    )


def test_a_decoder_gives_one_output():
    assert refusal(encoder(), decoder(last=lambda h: [h, h])) == (
        "decoder: expected one output, images, found (None, 8, 8, 1) and (None, 8, 8, 1); give keras.Model(z, images)"
    )


@pytest.mark.parametrize(
    "names",
    [("mean", "logvar"), ("z_mean", "z_log_var"), ("Z_Mean", "LogVar")],
)
def test_named_outputs_may_come_in_any_order(names):
    mean, logvar = layers.Dense(3), layers.Dense(3)
    pair = encoder(lambda h: {"a": h, names[1]: logvar(h), names[0]: mean(h)}), decoder()
    x = tf.ones((2, *SHAPE))
    codes = subject_of_models(*pair, decoder_output="logits").encode(x)
    expected = pair[0](x)
    for code, name in zip(codes, names, strict=True):
        np.testing.assert_array_equal(code, expected[name])


def test_a_draw_in_the_place_of_the_mean_is_refused():
    class Draw(layers.Layer):
        def call(self, mean):
            return mean + tf.random.normal(tf.shape(mean))

    assert refusal(encoder(lambda h: [Draw()(layers.Dense(3)(h)), layers.Dense(3)(h)]), decoder()) == (
        "encoder: expected outputs that the input determines, found others for the same input; "
        "give a model without draws and noise: keras.Model(x, [mean, logvar])"
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
        f"decoder {tmp_path / 'one'}: expected a model that takes any number of inputs, found one that fails on two: "
    )


ENDS = {
    "no activation": (layers.Conv2DTranspose(1, 3, padding="same"), "logits"),
    "no bias": (layers.Conv2D(1, 3, padding="same", use_bias=False), "logits"),
    "dense": (lambda h: layers.Reshape(SHAPE)(layers.Dense(64)(layers.Flatten()(h))), "logits"),
    "sigmoid": (layers.Conv2D(1, 3, padding="same", activation="sigmoid"), "probs"),
    "sigmoid behind": (lambda h: layers.Reshape(SHAPE)(layers.Activation("sigmoid")(layers.Flatten()(h))), "probs"),
    "cropped": (lambda h: layers.Cropping2D(1)(layers.Conv2DTranspose(1, 3, activation="sigmoid")(h)), "probs"),
}


@pytest.mark.parametrize(("last", "kind"), ENDS.values(), ids=ENDS)
def test_the_decoders_end_tells_logits_from_probabilities(last, kind):
    assert _kind_of_output(network_of(decoder(last=last), "decoder")) == kind


@pytest.mark.parametrize(
    ("last", "operator"),
    [
        (layers.Activation("tanh"), "Tanh"),
        (lambda h: layers.Rescaling(0.5, 0.5)(layers.Activation("tanh")(h)), "Add"),
        (layers.ReLU(), "Relu"),
    ],
)
def test_any_other_end_asks_for_an_answer(last, operator):
    pair = encoder(), decoder(last=last)
    assert refusal(*pair) == (
        f"decoder: expected a sigmoid or no activation at its end, found {operator}: cannot tell whether it gives logits or "
        f"probabilities; say --decoder-output logits or probs"
    )


def test_probabilities_are_between_0_and_1():
    pair = encoder(), decoder(last=layers.Rescaling(0.0, 2.0))
    assert refusal(*pair, decoder_output="probs") == (
        "decoder: expected probabilities, in [0, 1], found 2 to 2; say --decoder-output logits if that is what they are"
    )
    squeezed = decoder(last=lambda h: layers.Rescaling(0.5, 0.5)(layers.Activation("tanh")(h)))
    z = tf.ones((2, 3))
    subject = subject_of_models(encoder(), squeezed, decoder_output="probs")
    np.testing.assert_array_equal(subject.decode(z)["probs"], squeezed(z))
