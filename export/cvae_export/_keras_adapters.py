"""Adapters of external Keras encoders and decoders: inspect their graphs and try them on a few inputs."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import BundleError, CvaeError, InputError
from cvae_runtime.sessions import open_session

from ._config import DEFAULT_OPSET, DecoderOutput, Range
from ._convert import ConversionError, convert
from ._decoder_output import kind_of_output, probs_of
from ._ends import End, end_of
from ._input_range import RANGES, Preprocess, range_text
from ._network import Network
from ._reasons import first_error, full_tracebacks, place_of, reason_of

Shape = tuple[int, int, int]
Encode = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
Decode = Callable[[tf.Tensor], Mapping[str, tf.Tensor]]

_POSITIVE = (
    "Softplus",
    "Exp",
    "Sqrt",
    "Abs",
    "Square",
    "Sigmoid",
    "Elu",
)  # activations of variances and standard deviations

# Common names of outputs, without separators.
_MEANS = ("mean", "mu", "loc")
_LOGVARS = ("logvar", "logvariance", "logsigma2", "logsigmasq", "logsigmasquared")
_SPREADS = {
    **dict.fromkeys(("sigma", "std", "stddev", "stdev", "scale"), ("standard deviation", "2 * keras.ops.log({})")),
    **dict.fromkeys(("logsigma", "logstd", "logstddev", "logscale"), ("log of a standard deviation", "2 * {}")),
    **dict.fromkeys(("var", "variance", "sigma2", "sigmasq"), ("variance", "keras.ops.log({})")),
}


def check_roles(encoder: Network, decoder: Network) -> None:
    """Raise `InputError` if the encoder takes latents and the decoder images."""
    if len(encoder.shape) == 2 and len(decoder.shape) == 4:
        raise InputError(
            f"{encoder.name} and {decoder.name}: expected an encoder of images and a decoder of latents, found inputs "
            f"of {encoder.shape} and {decoder.shape}; swap the two models"
        )


def image_shape_of(encoder: Network) -> Shape:
    match encoder.shape:
        case (None, int(height), int(width), 1 | 3 as channels):
            return height, width, channels
    raise InputError(
        f"{encoder.name}: expected an input (None, H, W, C), images of one size with 1 or 3 channels, channels last; "
        f"found {encoder.shape}; {_advise_input(encoder.shape)}"
    )


def _advise_input(shape: Sequence[int | None]) -> str:
    """Return what to do with an encoder whose input has another shape."""
    layer, image = "x", "H, W, C"
    match shape:
        case (_, int(size)):
            channels = next((count for count in (1, 3) if size % count == 0 and _side(size // count)), 0)
            side = _side(size // channels) if channels else 0
            layer, image = "keras.layers.Flatten()(x)", f"{side}, {side}, {channels}" if channels else image
        case (_, int(height), int(width), 1 | 3 as channels):  # of a fixed number of images
            image = f"{height}, {width}, {channels}"
        case (_, 1 | 3 as channels, int(height), int(width)):
            layer, image = "keras.layers.Permute((3, 1, 2))(x)", f"{height}, {width}, {channels}"
        case (_, int(height), int(width)):
            layer, image = "keras.ops.squeeze(x, -1)", f"{height}, {width}, 1"
        case (_, None, _, 1 | 3 as channels) | (_, _, None, 1 | 3 as channels):
            image = f"H, W, {channels}"
        case _:
            return "pass a model of such images"
    return f"wrap it: x = keras.Input(({image})); keras.Model(x, model({layer}))"


def _side(pixels: int) -> int:
    """Return the side of a square of this many pixels; 0 if there is none."""
    side = math.isqrt(pixels)
    return side if side * side == pixels else 0


def latent_dim_of(decoder: Network) -> int:
    match decoder.shape:
        case (None, int(latent_dim)):
            return latent_dim
    raise InputError(
        f"{decoder.name}: expected an input (None, L), latents; found {decoder.shape}; "
        f"wrap it: z = keras.Input((L,)); keras.Model(z, model(z))"
    )


def graph_of_encoder(encoder: Network) -> onnx.ModelProto:
    """Return the encoder's graph, for `input_range_of` and `check_logvar`."""
    return _to_graph(encoder, lambda x: dict(zip(("mean", "logvar"), _mean_and_logvar(encoder, x), strict=True)))


def adapt_encoder(encoder: Network, images: tf.Tensor, latent_dim: int) -> Encode:
    """Return the encoder as a function to mean and logvar, float32 (N, L), after a trial run on ``images``."""
    codes = _trial_run(encoder.name, lambda x: _mean_and_logvar(encoder, x), images)
    if any(code.shape[1:] != (latent_dim,) for code in codes):
        raise InputError(
            f"{encoder.name}: expected mean and logvar of (None, {latent_dim}), the decoder's input, found "
            f"{_shapes(codes)}; pass an encoder and a decoder of one model"
        )
    if all(np.array_equal(code, np.broadcast_to(code[0], code.shape)) for code in codes):
        raise InputError(
            f"{encoder.name}: expected codes that depend on the image, found the same for all; "
            f"pass a model that uses its input, or pass the --input-range that it was trained on"
        )
    return lambda x: _mean_and_logvar(encoder, x)


def check_logvar(encoder: Network, graph: onnx.ModelProto) -> None:
    """Raise `InputError` if the graph's last operators show a standard deviation or variance, or logvar before mean."""
    mean, logvar = (end_of(graph, name) for name in ("mean", "logvar"))
    for role, end in (("logvar", logvar), ("mean", mean if logvar.low < 0 else End(""))):
        if end.operator in _POSITIVE and end.low >= 0:
            raise InputError(
                f"{encoder.name}: expected mean and logvar, the logarithm of the variance, found a {role} that "
                f"{end.operator} keeps above {end.low:g}, like a standard deviation or variance; pass "
                f"keras.Model(x, [mean, 2 * keras.ops.log(sigma)]), or keras.ops.log(variance)"
            )


def adapt_decoder(decoder: Network, z: Any, image_shape: Shape, output: DecoderOutput) -> tuple[Decode, DecoderOutput]:
    """Return the decoder as a function to probs, float32 (N, H, W, C), after a trial run on latents.

    Returns:
        The function, and the decoder's output: "logits", "probs", or its values for pixels 0 and 255.
    """
    (pixels,) = _trial_run(decoder.name, lambda z: (_pixels(decoder, z),), z)
    if pixels.shape[1:] != image_shape:
        raise InputError(
            f"{decoder.name}: expected images of {(None, *image_shape)}, the encoder's input, found "
            f"{_shapes([pixels])}; {_advise_output(decoder, pixels.shape[1:], image_shape)}"
        )
    end = end_of(_to_graph(decoder, lambda z: {"pixels": _pixels(decoder, z)}), "pixels")
    kind = kind_of_output(decoder.name, end, pixels, output)
    return lambda z: {"probs": probs_of(_pixels(decoder, z), kind)}, kind


def _advise_output(decoder: Network, found: Sequence[int], image_shape: Shape) -> str:
    """Return what to do with a decoder whose images have another shape."""
    height, width, channels = image_shape
    if found == (channels, height, width):
        layer = "Permute((2, 3, 1))"
    elif math.prod(found) == math.prod(image_shape):
        layer = f"Reshape({image_shape})"
    else:
        return "pass an encoder and a decoder of one model"
    return f"wrap it: z = keras.Input(({decoder.shape[1]},)); keras.Model(z, keras.layers.{layer}(model(z)))"


def check_reconstructions(
    encoder: Network,
    decoder: Network,
    images: NDArray[np.uint8],
    preprocess: Preprocess,
    input_range: Range,
    output: DecoderOutput,
) -> None:
    """Raise `InputError` if another input range or decoder output reconstructs images far better.

    Args:
        encoder, decoder: the pair.
        images: images of the kind that the pair was trained on, uint8 (N, H, W, C).
        preprocess: maps pixels and a range to the encoder's input, float32.
        input_range, output: the chosen input range and decoder output.
    """
    targets = preprocess(images, (0.0, 1.0)).numpy()
    errors: dict[tuple[Range, DecoderOutput], float] = {}
    for pixels in dict.fromkeys((input_range, *RANGES)):
        decoded = _pixels(decoder, _mean_and_logvar(encoder, preprocess(images, pixels))[0])
        for kind in dict.fromkeys((output, "logits", *RANGES)):
            errors[pixels, kind] = float(np.square(probs_of(decoded, kind) - targets).mean())
    taken, best = errors[input_range, output], min(errors, key=lambda choice: errors[choice])
    # An untrained pair reconstructs nothing, whatever the ranges.
    if errors[best] < targets.var(axis=0).mean() / 2 and errors[best] < taken / 2:
        best_output = best[1] if isinstance(best[1], str) else range_text(best[1])
        raise InputError(
            f"{encoder.name} and {decoder.name}: expected reconstructions close to the images, found a mean squared "
            f"error of {taken:.2g}, and {errors[best]:.2g} with other options; pass --input-range {range_text(best[0])} "
            f"--decoder-output {best_output}"
        )


def _to_graph(network: Network, call: Callable[[tf.Tensor], Mapping[str, tf.Tensor]]) -> onnx.ModelProto:
    """Convert a network to a graph and open it in ONNX Runtime, to fail before the comparison, which takes minutes."""
    spec = tf.TensorSpec(network.shape, network.dtype, name="x")
    function = tf.function(call, autograph=False, input_signature=[spec])
    try:
        proto = convert(function, DEFAULT_OPSET)
    except ConversionError as error:
        raise ConversionError(f"{network.name}: {error}") from error
    try:
        open_session(proto.SerializeToString())
    except BundleError as error:
        raise ConversionError(
            f"{network.name}: expected a graph that ONNX Runtime opens, found one that it does not: "
            f"{reason_of(first_error(error))}; rebuild the model under the policy float32, with simpler layers"
        ) from error
    return proto


def _mean_and_logvar(encoder: Network, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return mean and logvar: outputs with these names, the first two of a list, or the halves of the only output."""
    outputs = encoder.call(x)
    names: Sequence[str] = encoder.outputs
    if isinstance(outputs, Mapping):
        names, tensors = list(outputs), list(outputs.values())
        found = ", ".join(f"{name} {_shapes([tensor])}" for name, tensor in outputs.items())
    else:
        tensors = list(outputs)
        found = _shapes(tensors)
        if len(tensors) == 1 and tensors[0].shape.rank == 2 and tensors[0].shape[1] % 2 == 0:
            tensors, names = tf.split(tensors[0], 2, axis=1), ()
    plain = [_normalize_name(name) for name in names] if len(names) == len(tensors) else []
    means, logvars = ([place for place, name in enumerate(plain) if name in known] for known in (_MEANS, _LOGVARS))
    if len(means) == len(logvars) == 1:
        tensors = [tensors[means[0]], tensors[logvars[0]]]
    elif spreads := [place for place, name in enumerate(plain[:2]) if name in _SPREADS]:
        kind, formula = _SPREADS[plain[spreads[0]]]
        name = names[spreads[0]]
        raise InputError(
            f"{encoder.name}: expected mean and logvar, the logarithm of the variance, found the output {name}, "
            f"whose name means a {kind}; pass keras.Model(x, {{'mean': mean, 'logvar': {formula.format(name)}}})"
        )
    elif isinstance(outputs, Mapping):
        tensors = []
    if len(tensors) not in (2, 3):
        raise InputError(
            f"{encoder.name}: expected the outputs mean and logvar, in this order or with these names, optionally "
            f"followed by a sample, or one output that concatenates both; found {found}; "
            f"pass keras.Model(x, [mean, logvar])"
        )
    mean, logvar = (tf.cast(tensor, tf.float32) for tensor in tensors[:2])
    return mean, logvar


def _normalize_name(name: str) -> str:
    """Return an output's name without separators, prefixes and Keras's counters."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    if len(words) > 1 and words[-1].isdigit() and words[-2:] != ["sigma", "2"]:
        words.pop()
    while len(words) > 1 and words[0] in ("z", "q", "latent", "encoder", "posterior", "dense"):
        words.pop(0)
    return "".join(words).removeprefix("z")


def _pixels(decoder: Network, z: tf.Tensor) -> tf.Tensor:
    """Return the decoder's only output."""
    tensors = tf.nest.flatten(decoder.call(z))
    if len(tensors) != 1:
        raise InputError(
            f"{decoder.name}: expected one output, images, found {_shapes(tensors)}; pass keras.Model(z, images)"
        )
    return tf.cast(tensors[0], tf.float32)


def _trial_run(
    name: str, run: Callable[[tf.Tensor], Sequence[tf.Tensor]], inputs: tf.Tensor
) -> list[NDArray[np.float32]]:
    """Run a network on a few inputs, on the same inputs again, and on one of them; the outputs must agree."""
    try:
        with full_tracebacks():
            first, second, alone = ([tensor.numpy() for tensor in run(x)] for x in (inputs, inputs, inputs[:1]))
    except CvaeError:
        raise
    except Exception as error:  # TensorFlow and Keras raise exceptions of many types
        raise InputError(
            f"{name}: expected a model that takes any batch size, found one that fails on a few inputs: "
            f"{place_of(error)}{reason_of(error)}; fix that layer, or leave it out"
        ) from error

    def agree(found: Sequence[NDArray[np.float32]], count: int) -> bool:
        """Whether outputs agree within what devices repeat."""
        return all(np.allclose(one[:count], other, 1e-3, 1e-3) for one, other in zip(first, found, strict=True))

    if not agree(second, len(inputs)):
        raise InputError(
            f"{name}: expected deterministic outputs, found different ones for the same input; "
            f"pass a model without sampling and noise: keras.Model(x, [mean, logvar])"
        )
    if not agree(alone, 1):
        raise InputError(
            f"{name}: expected outputs that depend on one input alone, found ones that depend on the batch; "
            f"pass a model in inference mode, without statistics over the first axis"
        )
    return first


def _shapes(tensors: Sequence[Any]) -> str:
    """Format shapes as Keras does."""
    return " and ".join(str((None, *tensor.shape[1:])) for tensor in tensors)
