"""A Keras model, saved or not, as a function of one tensor: the form in which models from elsewhere are looked at."""

import dataclasses
import mmap
import re
import shlex
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from cvae_runtime import InputError

from ._reasons import innermost, reason_of

Outputs = Sequence[tf.Tensor] | Mapping[str, tf.Tensor]

_SIGNATURE = "serving_default"
_ARCHIVED = {"config.json", "model.weights.h5"}  # in every .keras file
_SCOPE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # what TensorFlow takes


@dataclasses.dataclass(frozen=True)
class Network:
    """A model in inference mode: batches are normalised by moving averages, nothing is dropped.

    Attributes:
        name: what errors call it.
        shape: of its one input, batch first; None for any size.
        dtype: of its input.
        call: a tensor of any dtype to the outputs: a list where they have an order, by name where they do not.
        outputs: names of the outputs that have an order, as far as they are known.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: tf.DType
    call: Callable[[tf.Tensor], Outputs]
    outputs: tuple[str, ...] = ()


def network_of(model: Any, role: str) -> Network:
    """A model as a network.

    Args:
        model: a Keras model that knows its input, a loaded SavedModel, or the path of a ``.keras`` file, which is read
            in Keras's safe mode, or of a SavedModel folder.
        role: "encoder" or "decoder"; what errors call it.

    Raises:
        InputError: it cannot be loaded, or does not have one input.
    """
    name = role
    if isinstance(model, str | Path):
        name = f"{role} {model}"
        model = _read(Path(model), name)
    return _of_saved_model(model, name) if hasattr(model, "signatures") else _of_keras(model, name)


def _read(path: Path, name: str) -> Any:
    if found := _otherwise(path):
        raise InputError(f"{name}: expected a .keras file or a SavedModel folder, found {found}")
    try:
        if path.is_dir():
            return tf.saved_model.load(str(path))
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # both raise nearly anything
        raise InputError(
            f"{name}: cannot be loaded: {reason_of(innermost(error))}; load it in Python, with the layers that it is made of, "
            f"and hand it to cvae_export.export_models, or save it by model.export('NAME')"
        ) from error


def _otherwise(path: Path) -> str:
    """What else there is in the place of a model, and what to do about it; empty for what can be loaded."""
    save = "model.save('NAME.keras') writes the one, model.export('NAME') the other"
    if path.is_dir():
        return "" if (path / "saved_model.pb").is_file() else _other_folder(path, save)
    if not path.exists():
        return f"nothing; {save}"
    if not path.is_file():  # a pipe would block
        return f"a file of another kind; {save}"
    with path.open("rb") as file:
        begin = file.read(8)
    if begin == b"\x89HDF\r\n\x1a\n":
        return _hdf5(path)
    if not zipfile.is_zipfile(path):
        if begin.startswith(b"PK"):
            return "the begin of one, whose end is missing; copy it again, or save it again"
        return f"a file of another kind; {save}"
    with zipfile.ZipFile(path) as archive:
        if _ARCHIVED - set(archive.namelist()):
            return f"another ZIP archive; {save}"
        try:
            damaged = archive.testzip()
        except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
            damaged = "a part of it"
    if damaged:
        return f"one of which {damaged} is damaged; copy it again, or save it again"
    return "" if path.suffix == ".keras" else "a .keras file of another name; let its name end in .keras"


def _hdf5(path: Path) -> str:
    """A file in the format in which Keras keeps weights, and kept models, whose attribute tells them apart."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        whole = content.find(b"model_config") >= 0
    if whole:
        return (
            f"a model in the older HDF5 format; write it anew: "
            f"keras.models.load_model({str(path)!r}, compile=False).save('NAME.keras')"
        )
    return (
        f"weights alone; build their model in Python, then model.load_weights({str(path)!r}), model.save('NAME.keras')"
    )


def _other_folder(path: Path, save: str) -> str:
    names = {entry.name for entry in path.iterdir()}
    below = sorted(entry.parent.name for entry in path.glob("*/saved_model.pb"))
    if below:
        return f"a folder of them; name one: {path / below[-1]}"
    if names >= _ARCHIVED:
        return "an unpacked .keras file; name the file itself, or pack the folder's files as NAME.keras"
    if {"config.json", "weights.npz"} <= names:
        return f"a run of cvae-train; export it by cvae-export {shlex.quote(str(path))} --onnx NAME"
    if any(name.endswith(".index") for name in names):
        return "a checkpoint, weights alone; build their model in Python, restore them, then model.save('NAME.keras')"
    return f"another folder; {save}"


def _of_keras(model: Any, name: str) -> Network:
    inputs = tf.nest.flatten(getattr(model, "inputs", None) or [])
    if not inputs:
        raise InputError(
            f"{name}: expected a Keras model that knows its input, found {type(model).__name__} without one; "
            f"wrap it: x = keras.Input(SHAPE); keras.Model(x, model(x))"
        )
    _check_one(inputs, name)
    structure = getattr(model, "input", inputs[0])  # it may be a list or dict of one; Sequential says no more

    def call(x: tf.Tensor) -> Outputs:
        packed = tf.nest.pack_sequence_as(structure, [tf.cast(x, inputs[0].dtype)])
        with _names_for_tensorflow(model):
            return _in_order(model(packed, training=False))

    outputs = getattr(model, "output_names", None) or ()
    return Network(name, tuple(inputs[0].shape), tf.as_dtype(inputs[0].dtype), call, tuple(outputs))


@contextmanager
def _names_for_tensorflow(model: Any) -> Iterator[None]:
    """Give layers other names while TensorFlow looks, where it takes theirs for no scopes: with spaces, as JAX has them."""
    layers = [layer for layer in _layers_of(model) if not _SCOPE.fullmatch(layer.name)]
    names = [layer.name for layer in layers]
    for layer in layers:
        layer.name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"layer_{layer.name}")
    try:
        yield
    finally:
        for layer, name in zip(layers, names, strict=True):
            layer.name = name


def _layers_of(model: Any) -> Iterator[Any]:
    """A model or layer and all layers inside."""
    yield model
    for inner in (*getattr(model, "layers", ()), getattr(model, "layer", None)):
        if isinstance(inner, keras.Layer):
            yield from _layers_of(inner)


def _of_saved_model(model: Any, name: str) -> Network:
    if _SIGNATURE not in model.signatures:
        found = ", ".join(model.signatures) or "none"
        raise InputError(
            f"{name}: expected the signature {_SIGNATURE}, found {found}; model.export('NAME') writes a folder with it"
        )
    inputs = model.signatures[_SIGNATURE].structured_input_signature[1]
    _check_one(inputs, name)
    ((key, spec),) = inputs.items()

    def call(x: tf.Tensor) -> Outputs:
        # Looked up each time: a signature alone does not keep the model's variables alive.
        return _in_order(model.signatures[_SIGNATURE](**{key: tf.cast(x, spec.dtype)}))

    return Network(name, tuple(spec.shape), spec.dtype, call)


def _check_one(inputs: Collection[Any], name: str) -> None:
    if len(inputs) != 1:
        raise InputError(
            f"{name}: expected a model of one input, found {len(inputs)}; make one whose other inputs are constants"
        )


def _in_order(outputs: Any) -> Outputs:
    if not isinstance(outputs, Mapping):
        return list(tf.nest.flatten(outputs))
    numbered = [f"output_{n}" for n in range(len(outputs))]  # so a SavedModel of Keras's calls the items of a list
    if len(outputs) == 1 or set(outputs) == set(numbered):
        return [outputs[name] for name in (numbered if len(outputs) > 1 else outputs)]
    return outputs
