"""External Keras models, saved or in memory, as functions of one tensor."""

import dataclasses
import mmap
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from cvae_runtime import InputError
from cvae_runtime.system import shell_quote

from ._reasons import first_error, reason_of

Outputs = Sequence[tf.Tensor] | Mapping[str, tf.Tensor]

_SIGNATURE = "serving_default"
_ARCHIVED = {"config.json", "model.weights.h5"}  # in every .keras file
_SCOPE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # a valid TensorFlow scope name


@dataclasses.dataclass(frozen=True)
class Network:
    """A model in inference mode: batch normalization uses moving averages, and dropout is off.

    Attributes:
        name: the model's name in errors.
        shape: shape of its only input, batch first; None for any size.
        dtype: dtype of its input.
        call: maps a tensor of any dtype to the outputs: a list if they are ordered, otherwise a mapping by name.
        outputs: names of ordered outputs, if known.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: tf.DType
    call: Callable[[tf.Tensor], Outputs]
    outputs: tuple[str, ...] = ()


def network_of(model: Any, role: str) -> Network:
    """Return a model as a network.

    Args:
        model: a Keras model with a known input, a loaded SavedModel, or the path of a SavedModel folder or a ``.keras``
            file, which is read in Keras's safe mode.
        role: "encoder" or "decoder", for errors.

    Raises:
        InputError: the model cannot be loaded, or does not have exactly one input.
    """
    name = role
    if isinstance(model, str | Path):
        name = f"{role} {model}"
        model = _read(Path(model), name)
    return _from_saved_model(model, name) if hasattr(model, "signatures") else _from_keras(model, name)


def _read(path: Path, name: str) -> Any:
    if found := _describe_unloadable(path):
        raise InputError(f"{name}: expected a .keras file or a SavedModel folder, found {found}")
    try:
        if path.is_dir():
            return tf.saved_model.load(str(path))
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # both raise exceptions of many types
        raise InputError(
            f"{name}: cannot be loaded: {reason_of(first_error(error))}; load it in Python with its custom layers and "
            f"pass it to cvae_export.export_models, or save it with model.export('NAME')"
        ) from error


def _describe_unloadable(path: Path) -> str:
    """Describe a path that is not a loadable model, and the remedy; empty for a loadable model."""
    save = "model.save('NAME.keras') or model.export('NAME') writes one"
    if path.is_dir():
        return "" if (path / "saved_model.pb").is_file() else _describe_folder(path, save)
    if not path.exists():
        return f"nothing; {save}"
    if not path.is_file():  # opening a pipe would block
        return f"another kind of file; {save}"
    with path.open("rb") as file:
        begin = file.read(8)
    if begin == b"\x89HDF\r\n\x1a\n":
        return _describe_hdf5(path)
    if not zipfile.is_zipfile(path):
        if begin.startswith(b"PK"):
            return "a truncated .keras file; copy it again, or save it again"
        return f"another kind of file; {save}"
    with zipfile.ZipFile(path) as archive:
        if _ARCHIVED - set(archive.namelist()):
            return f"another ZIP archive; {save}"
        try:
            damaged = archive.testzip()
        except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
            damaged = "a part"
    if damaged:
        return f"a .keras file in which {damaged} is damaged; copy it again, or save it again"
    return "" if path.suffix == ".keras" else "a .keras file with another suffix; rename it to NAME.keras"


def _describe_hdf5(path: Path) -> str:
    """Describe an HDF5 file: weights, or a model in Keras's older format, which has the attribute model_config."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        whole = content.find(b"model_config") >= 0
    if whole:
        return (
            f"a model in the older HDF5 format; convert it: "
            f"keras.models.load_model({str(path)!r}, compile=False).save('NAME.keras')"
        )
    return (
        f"weights without a model; build it in Python, then model.load_weights({str(path)!r}), model.save('NAME.keras')"
    )


def _describe_folder(path: Path, save: str) -> str:
    names = {entry.name for entry in path.iterdir()}
    below = sorted(entry.parent.name for entry in path.glob("*/saved_model.pb"))
    if below:
        return f"a folder of SavedModels; pass one of them: {path / below[-1]}"
    if names >= _ARCHIVED:
        return "an unpacked .keras file; pass the file itself, or zip the folder's files as NAME.keras"
    if {"config.json", "weights.npz"} <= names:
        return f"a run of cvae-train; export it with cvae-export {shell_quote(path)} --onnx NAME"
    if any(name.endswith(".index") for name in names):
        return (
            "a checkpoint without a model; build the model in Python, restore the checkpoint, then "
            "model.save('NAME.keras')"
        )
    return f"another folder; {save}"


def _from_keras(model: Any, name: str) -> Network:
    inputs = tf.nest.flatten(getattr(model, "inputs", None) or [])
    if not inputs:
        raise InputError(
            f"{name}: expected a Keras model with a known input, found {type(model).__name__} without one; "
            f"wrap it: x = keras.Input(SHAPE); keras.Model(x, model(x))"
        )
    _check_one_input(inputs, name)
    structure = getattr(model, "input", inputs[0])  # a tensor, or a list or dict of one

    def call(x: tf.Tensor) -> Outputs:
        packed = tf.nest.pack_sequence_as(structure, [tf.cast(x, inputs[0].dtype)])
        with _valid_scope_names(model):
            return _ordered_outputs(model(packed, training=False))

    outputs = getattr(model, "output_names", None) or ()
    return Network(name, tuple(inputs[0].shape), tf.as_dtype(inputs[0].dtype), call, tuple(outputs))


@contextmanager
def _valid_scope_names(model: Any) -> Iterator[None]:
    """Rename layers while TensorFlow traces them if their names, such as names with spaces, are no valid scopes."""
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
    """Yield a model or layer and all layers inside it."""
    yield model
    for inner in (*getattr(model, "layers", ()), getattr(model, "layer", None)):
        if isinstance(inner, keras.Layer):
            yield from _layers_of(inner)


def _from_saved_model(model: Any, name: str) -> Network:
    if _SIGNATURE not in model.signatures:
        found = ", ".join(model.signatures) or "none"
        raise InputError(
            f"{name}: expected the signature {_SIGNATURE}, found {found}; model.export('NAME') writes a folder with it"
        )
    inputs = model.signatures[_SIGNATURE].structured_input_signature[1]
    _check_one_input(inputs, name)
    ((key, spec),) = inputs.items()

    def call(x: tf.Tensor) -> Outputs:
        # Looked up each time: a signature alone does not keep the model's variables alive.
        return _ordered_outputs(model.signatures[_SIGNATURE](**{key: tf.cast(x, spec.dtype)}))

    return Network(name, tuple(spec.shape), spec.dtype, call)


def _check_one_input(inputs: Collection[Any], name: str) -> None:
    if len(inputs) != 1:
        raise InputError(
            f"{name}: expected a model with one input, found {len(inputs)}; make its other inputs constants"
        )


def _ordered_outputs(outputs: Any) -> Outputs:
    if not isinstance(outputs, Mapping):
        return list(tf.nest.flatten(outputs))
    numbered = [f"output_{n}" for n in range(len(outputs))]  # Keras's names for the items of a list in a SavedModel
    if len(outputs) == 1 or set(outputs) == set(numbered):
        return [outputs[name] for name in (numbered if len(outputs) > 1 else outputs)]
    return outputs
