"""What Keras, TensorFlow and tf2onnx raise, as a part of one sentence: where it happened, and why."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import keras

_LONGEST = 240  # characters of a reason; Keras repeats whole configurations

_BOLD = re.compile(r"\x1b\[1m(.*?)\x1b\[0m", re.DOTALL)  # Keras puts what it wraps in bold
_NOISE = re.compile(r"\x1b\[[0-9;]*m|\{\{\w+ .*?\}\}|\[Op:\w+\](?: name:.*)?|Arguments received by .*", re.DOTALL)
_SCOPE_NUMBER = re.compile(r"_\d+$")


@contextmanager
def whole_tracebacks() -> Iterator[None]:
    """Keep Keras from cutting tracebacks, which say in which layer something failed, and from wrapping errors."""
    filters = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if filters:
            keras.config.enable_traceback_filtering()


def innermost(error: BaseException) -> BaseException:
    """The error that was first; those raised while it was handled repeat the whole model's configuration."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def reason_of(error: BaseException) -> str:
    """An error's message on one line, without colours, call arguments and what else is no reason."""
    text = str(error)
    if bold := _BOLD.search(text):
        text = bold[1]
    text = " ".join(_NOISE.sub("", text).split()).rstrip(" .:;,")
    if len(text) > _LONGEST:
        cut = text.rfind(". ", 0, _LONGEST)
        text = text[:cut] if cut > 0 else f"{text[:_LONGEST].rstrip()} ..."
    return text or type(error).__name__


def place_of(error: BaseException) -> str:
    """``layer 'NAME': `` for the innermost Keras layer in which an error was raised; empty where there is none."""
    frame, name = error.__traceback__, ""
    while frame is not None:
        layer = frame.tb_frame.f_locals.get("self")
        if isinstance(layer, keras.Layer) and not isinstance(layer, keras.Model):
            name = layer.name
        frame = frame.tb_next
    return f"layer {name!r}: " if name else ""


def scope_of(node: str) -> str:
    """Where a graph's node comes from, by its name: the model and its layers, without the numbers that tracing gives them."""
    *scopes, _ = node.split("/")
    named = [_SCOPE_NUMBER.sub("", scope) for scope in scopes if not scope.endswith("PartitionedCall")]
    return "/".join(named)
