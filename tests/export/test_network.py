import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from cvae_export._network import network_of
from cvae_runtime import InputError

SAVE = "model.save('NAME.keras') writes the one, model.export('NAME') the other"


def small(form=lambda x: x):
    x = keras.Input((4,), name="x")
    return keras.Model(form(x), layers.Dense(2, bias_initializer="ones")(x))


@pytest.mark.parametrize("form", [lambda x: x, lambda x: [x], lambda x: {"x": x}], ids=["tensor", "list", "dict"])
def test_inputs_of_any_structure_and_dtype(form):
    model = small(form)
    network = network_of(model, "decoder")
    assert (network.name, network.shape) == ("decoder", (None, 4))
    (output,) = network.call(tf.ones((3, 4), tf.int32))
    np.testing.assert_array_equal(output, model.predict_on_batch(form(np.ones((3, 4), np.float32))))


def test_a_saved_model_stays_alive_and_keeps_its_outputs_order(tmp_path):
    x = keras.Input((4,))
    outputs = [layers.Rescaling(float(factor))(x) for factor in range(12)]  # output_10 comes before output_2 by name
    keras.Model(x, outputs).export(tmp_path / "model", verbose=False)
    network = network_of(tmp_path / "model", "encoder")
    gc.collect()
    assert network.name == f"encoder {tmp_path / 'model'}"
    assert [float(output[0, 0]) for output in network.call(tf.ones((1, 4)))] == list(range(12))


def test_a_loaded_saved_model_is_a_model_too(tmp_path):
    small().export(tmp_path / "model", verbose=False)
    assert network_of(tf.saved_model.load(str(tmp_path / "model")), "encoder").shape == (None, 4)


def make_nothing(path):
    return path / "model", f"expected a .keras file or a SavedModel folder, found nothing; {SAVE}"


def make_folder(path):
    return path, f"expected a .keras file or a SavedModel folder, found another folder; {SAVE}"


def make_text(path):
    (path / "model.keras").write_text("no archive")
    return path / "model.keras", f"expected a .keras file or a SavedModel folder, found a file of another kind; {SAVE}"


def make_lambda(path):
    keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: 2 * x)]).save(path / "model.keras")
    return path / "model.keras", (
        "cannot be loaded: Requested the deserialization of a `Lambda` layer whose `function` is a Python lambda; load it in "
        "Python, with the layers that it is made of, and hand it to cvae_export.export_models, or save it by "
        "model.export('NAME')"
    )


def make_no_signature(path):
    module = tf.Module()
    module.scale = tf.Variable(1.0)
    tf.saved_model.save(module, str(path / "model"))
    return path / "model", (
        "expected the signature serving_default, found none; model.export('NAME') writes a folder with it"
    )


def make_two_inputs(path):
    x, y = keras.Input((4,)), keras.Input((4,))
    keras.Model([x, y], layers.Add()([x, y])).export(path / "model", verbose=False)
    return path / "model", "expected a model of one input, found 2; make one whose other inputs are constants"


@pytest.mark.parametrize(
    "make", [make_nothing, make_folder, make_text, make_lambda, make_no_signature, make_two_inputs]
)
def test_what_cannot_be_used_is_one_line(make, tmp_path):
    path, message = make(tmp_path)
    with pytest.raises(InputError) as caught:
        network_of(path, "encoder")
    assert str(caught.value) == f"encoder {path}: {message}"


def test_a_model_must_know_its_one_input():
    class Double(keras.Model):
        def call(self, x):
            return 2 * x

    x, y = keras.Input((4,)), keras.Input((4,))
    remedy = "wrap it: x = keras.Input(SHAPE); keras.Model(x, model(x))"
    for model, message in (
        (Double(), f"expected a Keras model that knows its input, found Double without one; {remedy}"),
        (object(), f"expected a Keras model that knows its input, found object without one; {remedy}"),
        (
            keras.Model([x, y], layers.Add()([x, y])),
            "expected a model of one input, found 2; make one whose other inputs are constants",
        ),
    ):
        with pytest.raises(InputError) as caught:
            network_of(model, "decoder")
        assert str(caught.value) == f"decoder: {message}"
    assert network_of(keras.Model(x, Double()(x)), "decoder").shape == (None, 4)
