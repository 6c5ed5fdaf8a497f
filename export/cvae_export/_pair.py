"""What an encoder and a decoder from elsewhere are: looked at, and tried on a few inputs, before anything is exported."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import InputError

from ._convert import convert
from ._network import Network
from ._settings import DEFAULT_OPSET, DecoderOutput

Shape = tuple[int, int, int]
Encode = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
Decode = Callable[[tf.Tensor], Mapping[str, tf.Tensor]]

_log = logging.getLogger("cvae_export")

# ONNX operators that only move values, and those that sum products, after which no activation has come yet.
_MOVES = ("Cast", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
_SUMS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def image_shape_of(encoder: Network) -> Shape:
    match encoder.shape:
        case (None, int(height), int(width), 1 | 3 as channels):
            return height, width, channels
    raise InputError(
        f"{encoder.name}: expected an input (None, H, W, C), any number of images of one size with 1 or 3 channels, channels "
        f"last; found {encoder.shape}; wrap it: x = keras.Input((H, W, C)); keras.Model(x, model(x))"
    )


def latent_dim_of(decoder: Network) -> int:
    match decoder.shape:
        case (None, int(latent_dim)):
            return latent_dim
    raise InputError(
        f"{decoder.name}: expected an input (None, L), any number of latents; found {decoder.shape}; "
        f"wrap it: z = keras.Input((L,)); keras.Model(z, model(z))"
    )


def encode_of(encoder: Network, images: tf.Tensor, latent_dim: int) -> Encode:
    """The encoder as a function to mean and logvar, float32 (N, L), of which ``images`` have shown that it is one."""
    codes = _try(encoder.name, lambda: _gaussian(encoder, images))
    if any(code.shape[1:] != (latent_dim,) for code in codes):
        raise InputError(
            f"{encoder.name}: expected mean and logvar of (None, {latent_dim}), the decoder's input, found "
            f"{_shapes(codes)}; give an encoder and a decoder that belong together"
        )
    return lambda x: _gaussian(encoder, x)


def decode_of(decoder: Network, z: Any, image_shape: Shape, output: DecoderOutput) -> Decode:
    """The decoder as a function to probs, float32 (N, H, W, C), of which latents have shown that it is one."""
    (pixels,) = _try(decoder.name, lambda: (_pixels(decoder, z),))
    if pixels.shape[1:] != image_shape:
        raise InputError(
            f"{decoder.name}: expected images of {(None, *image_shape)}, the encoder's input, found {_shapes([pixels])}; "
            f"give an encoder and a decoder that belong together"
        )
    kind = _kind_of_output(decoder) if output == "auto" else output
    if kind == "logits":
        return lambda z: {"probs": tf.sigmoid(_pixels(decoder, z))}
    if not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
        raise InputError(
            f"{decoder.name}: expected probabilities, in [0, 1], found {pixels.min():.3g} to {pixels.max():.3g}; "
            f"say --decoder-output logits if that is what they are"
        )
    return lambda z: {"probs": _pixels(decoder, z)}


def _gaussian(encoder: Network, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and logvar: outputs of these names, or the first two of a list, or the halves of its only one."""
    outputs = encoder.call(x)
    if isinstance(outputs, Mapping):
        plain = {name.lower().replace("_", "").removeprefix("z"): tensor for name, tensor in outputs.items()}
        tensors = [plain[name] for name in ("mean", "logvar") if name in plain]
        found = ", ".join(f"{name} {_shapes([tensor])}" for name, tensor in outputs.items())
    else:
        tensors = list(outputs)
        found = _shapes(tensors)
        if len(tensors) == 1 and tensors[0].shape.rank == 2 and tensors[0].shape[1] % 2 == 0:
            tensors = tf.split(tensors[0], 2, axis=1)
    if len(tensors) not in (2, 3):
        raise InputError(
            f"{encoder.name}: expected the outputs mean and logvar, in this order or by these names, perhaps with a draw "
            f"behind them, or one output of both side by side; found {found}; give keras.Model(x, [mean, logvar])"
        )
    mean, logvar = (tf.cast(tensor, tf.float32) for tensor in tensors[:2])
    return mean, logvar


def _pixels(decoder: Network, z: tf.Tensor) -> tf.Tensor:
    """The decoder's only output."""
    tensors = tf.nest.flatten(decoder.call(z))
    if len(tensors) != 1:
        raise InputError(
            f"{decoder.name}: expected one output, images, found {_shapes(tensors)}; give keras.Model(z, images)"
        )
    return tf.cast(tensors[0], tf.float32)


def _try(name: str, run: Callable[[], Sequence[tf.Tensor]]) -> list[NDArray[np.float32]]:
    """Run a network twice: it must work, and give the same."""
    try:
        first, second = ([tensor.numpy() for tensor in run()] for _ in range(2))
    except InputError:
        raise
    except Exception as error:  # TensorFlow and Keras raise nearly anything
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{name}: expected a model that takes any number of inputs, found one that fails on two: {reason}"
        ) from error
    # As far as devices compute the same twice.
    if not all(np.allclose(*pair, rtol=1e-3, atol=1e-3) for pair in zip(first, second, strict=True)):
        raise InputError(
            f"{name}: expected outputs that the input determines, found others for the same input; "
            f"give a model without draws and noise: keras.Model(x, [mean, logvar])"
        )
    return first


def _kind_of_output(decoder: Network) -> DecoderOutput:
    """Logits or probs, by the last operator of the decoder's graph that does more than move values."""
    z = tf.TensorSpec(decoder.shape, tf.float32, name="z")
    function = tf.function(lambda z: {"pixels": _pixels(decoder, z)}, autograph=False, input_signature=[z])
    nodes = {name: node for node in convert(function, DEFAULT_OPSET).graph.node for name in node.output}

    def before(name: str) -> onnx.NodeProto:
        node = nodes.get(name, onnx.NodeProto())
        return before(node.input[0]) if node.op_type in _MOVES else node

    last = before("pixels")
    if last.op_type == "Sigmoid":
        return "probs"
    if last.op_type in _SUMS or (last.op_type == "Add" and before(last.input[0]).op_type in _SUMS):
        _log.warning("%s: ends without an activation, so that its output is taken as logits", decoder.name)
        return "logits"
    raise InputError(
        f"{decoder.name}: expected a sigmoid or no activation at its end, found {last.op_type or 'none'}: cannot tell whether "
        f"it gives logits or probabilities; say --decoder-output logits or probs"
    )


def _shapes(tensors: Sequence[Any]) -> str:
    """Shapes as Keras writes them."""
    return " and ".join(str((None, *tensor.shape[1:])) for tensor in tensors)
