import gc
import warnings
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from cvae_export._network import network_of
from cvae_runtime import InputError

SAVE = "model.save('NAME.keras') or model.export('NAME') writes one"


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


def test_saved_model_stays_alive_and_keeps_output_order(tmp_path):
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


def save(path):
    """Save the small model, or its weights, depending on the suffix."""
    model = small()
    with warnings.catch_warnings(action="ignore"):  # Keras's own, while it saves
        (model.save_weights if path.name.endswith(".weights.h5") else model.save)(path)


def make_nothing(path):
    return path / "model", f"expected a .keras file or a SavedModel folder, found nothing; {SAVE}"


def make_folder(path):
    return path, f"expected a .keras file or a SavedModel folder, found another folder; {SAVE}"


def make_text(path):
    (path / "model.keras").write_text("no archive")
    return path / "model.keras", f"expected a .keras file or a SavedModel folder, found another kind of file; {SAVE}"


def make_lambda(path):
    keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: 2 * x)]).save(path / "model.keras")
    return path / "model.keras", (
        "cannot be loaded: Requested the deserialization of a `Lambda` layer whose `function` is a Python lambda. This carries a "
        "potential risk of arbitrary code execution and thus it is disallowed by default; load it in Python with its custom layers and pass it to "
        "cvae_export.export_models, or save it with model.export('NAME')"
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
    return path / "model", "expected a model with one input, found 2; make its other inputs constants"


AGAIN = "copy it again, or save it again"


def make_truncated(path):
    save(path / "whole.keras")
    whole = (path / "whole.keras").read_bytes()
    (path / "model.keras").write_bytes(whole[: len(whole) // 2])
    return (
        path / "model.keras",
        f"expected a .keras file or a SavedModel folder, found a truncated .keras file; {AGAIN}",
    )


def make_damaged(path):
    save(path / "model.keras")
    content = bytearray((path / "model.keras").read_bytes())
    place = content.index(b"HDF") + 200
    content[place : place + 8] = bytes(byte ^ 255 for byte in content[place : place + 8])
    (path / "model.keras").write_bytes(content)
    return (
        path / "model.keras",
        f"expected a .keras file or a SavedModel folder, found a .keras file in which model.weights.h5 is damaged; {AGAIN}",
    )


def make_other_name(path):
    save(path / "model.keras")
    return (path / "model.keras").rename(path / "model.zip"), (
        "expected a .keras file or a SavedModel folder, found a .keras file with another suffix; rename it to NAME.keras"
    )


def make_other_archive(path):
    with zipfile.ZipFile(path / "model.keras", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    return (
        path / "model.keras",
        f"expected a .keras file or a SavedModel folder, found another ZIP archive; {SAVE}",
    )


def make_hdf5(path):
    save(path / "model.h5")
    return path / "model.h5", (
        f"expected a .keras file or a SavedModel folder, found a model in the older HDF5 format; convert it: "
        f"keras.models.load_model('{path}/model.h5', compile=False).save('NAME.keras')"
    )


def make_weights(path):
    save(path / "model.weights.h5")
    return path / "model.weights.h5", (
        f"expected a .keras file or a SavedModel folder, found weights without a model; build it in Python, then "
        f"model.load_weights('{path}/model.weights.h5'), model.save('NAME.keras')"
    )


def make_checkpoint(path):
    tf.train.Checkpoint(step=tf.Variable(1)).write(str(path / "model"))
    return path, (
        "expected a .keras file or a SavedModel folder, found a checkpoint without a model; build the model in Python, "
        "restore the checkpoint, then model.save('NAME.keras')"
    )


def make_unpacked(path):
    save(path / "model.keras")
    with zipfile.ZipFile(path / "model.keras") as archive:
        archive.extractall(path / "model")
    return path / "model", (
        "expected a .keras file or a SavedModel folder, found an unpacked .keras file; pass the file itself, or zip the "
        "folder's files as NAME.keras"
    )


def make_versions(path):
    for version in "12":
        small().export(path / version, verbose=False)
    return (
        path,
        f"expected a .keras file or a SavedModel folder, found a folder of SavedModels; pass one of them: {path}/2",
    )


def make_run(path):
    for name in ("config.json", "weights.npz"):
        (path / name).write_text("{}")
    return path, (
        f"expected a .keras file or a SavedModel folder, found a run of cvae-train; export it with cvae-export {path} "
        f"--onnx NAME"
    )


@pytest.mark.parametrize("make", [make for name, make in list(globals().items()) if name.startswith("make_")])
def test_unloadable_paths_raise_one_line(make, tmp_path):
    path, message = make(tmp_path)
    with pytest.raises(InputError) as caught:
        network_of(path, "encoder")
    assert str(caught.value) == f"encoder {path}: {message}"


def test_a_cut_saved_model_is_one_line_with_the_reason(tmp_path):
    small().export(tmp_path / "model", verbose=False)
    file = tmp_path / "model" / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(InputError) as caught:
        network_of(tmp_path / "model", "encoder")
    message = str(caught.value)
    assert message.startswith(f"encoder {tmp_path / 'model'}: cannot be loaded: Error parsing message")
    assert message.endswith("or save it with model.export('NAME')")
    assert len(message.splitlines()) == 1


def test_a_model_must_know_its_one_input():
    class Double(keras.Model):
        def call(self, x):
            return 2 * x

    x, y = keras.Input((4,)), keras.Input((4,))
    remedy = "wrap it: x = keras.Input(SHAPE); keras.Model(x, model(x))"
    for model, message in (
        (Double(), f"expected a Keras model with a known input, found Double without one; {remedy}"),
        (object(), f"expected a Keras model with a known input, found object without one; {remedy}"),
        (
            keras.Model([x, y], layers.Add()([x, y])),
            "expected a model with one input, found 2; make its other inputs constants",
        ),
    ):
        with pytest.raises(InputError) as caught:
            network_of(model, "decoder")
        assert str(caught.value) == f"decoder: {message}"
    assert network_of(keras.Model(x, Double()(x)), "decoder").shape == (None, 4)


def test_layers_have_their_own_names_again():
    x = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="my dense (1)")], name="in a model")
    model = keras.Model(x, inner(x), name="my model")
    network = network_of(model, "decoder")
    traced = tf.function(network.call).get_concrete_function(tf.TensorSpec((None, 4)))
    np.testing.assert_array_equal(traced(tf.ones((1, 4)))[0], model(np.ones((1, 4))))
    assert (model.name, inner.name, inner.layers[0].name) == ("my model", "in a model", "my dense (1)")
