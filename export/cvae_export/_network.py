"""A Keras model, saved or not, as a function of one tensor: the form in which models from elsewhere are looked at."""

import dataclasses
import re
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from cvae_runtime import InputError

Outputs = Sequence[tf.Tensor] | Mapping[str, tf.Tensor]

_SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True)
class Network:
    """A model in inference mode: batches are normalised by moving averages, nothing is dropped.

    Attributes:
        name: what errors call it.
        shape: of its one input, batch first; None for any size.
        call: a tensor of any dtype to the outputs: a list where they have an order, by name where they do not.
    """

    name: str
    shape: tuple[int | None, ...]
    call: Callable[[tf.Tensor], Outputs]


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
    is_saved_model = (path / "saved_model.pb").is_file()
    if not is_saved_model and not (path.suffix == ".keras" and zipfile.is_zipfile(path)):
        found = "another folder" if path.is_dir() else "a file of another kind" if path.exists() else "nothing"
        raise InputError(
            f"{name}: expected a .keras file or a SavedModel folder, found {found}; "
            f"model.save('NAME.keras') writes the one, model.export('NAME') the other"
        )
    try:
        if is_saved_model:
            return tf.saved_model.load(str(path))
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # both raise nearly anything
        innermost: BaseException = error  # those around it repeat the whole model's configuration
        while innermost.__context__ is not None:
            innermost = innermost.__context__
        reason, *_ = re.split(r"\.(?:\s|$)|\n", str(innermost))
        raise InputError(
            f"{name}: cannot be loaded: {reason}; load it in Python, with the layers that it is made of, and hand it to "
            f"cvae_export.export_models, or save it by model.export('NAME')"
        ) from error


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
        return _in_order(model(packed, training=False))

    return Network(name, tuple(inputs[0].shape), call)


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

    return Network(name, tuple(spec.shape), call)


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
