"""Exceptions of Keras, TensorFlow and tf2onnx as a part of one sentence: where and why they were raised."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import keras

_LONGEST = 240  # characters; Keras repeats whole configurations

_BOLD = re.compile(r"\x1b\[1m(.*?)\x1b\[0m", re.DOTALL)  # Keras prints wrapped errors in bold
_NOISE = re.compile(r"\x1b\[[0-9;]*m|\{\{\w+ .*?\}\}|\[Op:\w+\](?: name:.*)?|Arguments received by .*", re.DOTALL)
_SCOPE_NUMBER = re.compile(r"_\d+$")


@contextmanager
def full_tracebacks() -> Iterator[None]:
    """Keep Keras from shortening tracebacks, which name the layer that failed, and from wrapping errors."""
    filters = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if filters:
            keras.config.enable_traceback_filtering()


def first_error(error: BaseException) -> BaseException:
    """Return the first error of a chain; later ones repeat the whole model's configuration."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def reason_of(error: BaseException) -> str:
    """Return an error's message on one line, without colours, call arguments and other noise."""
    text = str(error)
    if bold := _BOLD.search(text):
        text = bold[1]
    text = " ".join(_NOISE.sub("", text).split()).rstrip(" .:;,")
    if len(text) > _LONGEST:
        cut = text.rfind(". ", 0, _LONGEST)
        text = text[:cut] if cut > 0 else f"{text[:_LONGEST].rstrip()} ..."
    return text or type(error).__name__


def place_of(error: BaseException) -> str:
    """Return ``layer 'NAME': `` for the innermost Keras layer that raised an error; empty if there is none."""
    frame, name = error.__traceback__, ""
    while frame is not None:
        layer = frame.tb_frame.f_locals.get("self")
        if isinstance(layer, keras.Layer) and not isinstance(layer, keras.Model):
            name = layer.name
        frame = frame.tb_next
    return f"layer {name!r}: " if name else ""


def scope_of(node: str) -> str:
    """Return the model and layers that a node comes from, by its name, without the numbers that tracing adds."""
    *scopes, _ = node.split("/")
    named = [_SCOPE_NUMBER.sub("", scope) for scope in scopes if not scope.endswith("PartitionedCall")]
    return "/".join(named)
