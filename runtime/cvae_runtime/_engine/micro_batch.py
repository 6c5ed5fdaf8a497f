"""Size of a micro-batch, the images in one call of a session, and the division of a model's call into micro-batches.

On a CPU, a micro-batch is the largest power of two whose widest layer fits into 1 MiB, and at most 32. 1 MiB is about
the second-level cache of a core. The widest layer has ``filters[0]`` channels; it has the image's size in a decoder,
and half of its height and width in an encoder and in a residual network. So the MNIST model decodes 8 images at a time
and encodes 32. The rule ignores this machine's cache, so that all machines of a cluster cut samples alike; `Model.tune`
measures instead. Other providers take 256, which gives work to all cores of a device. A detector takes one image at a
time: its draws fill the decoder, and no bit of a result depends on the other images of a call.

A call of few images is cut into as many equal parts as there are threads. No part is smaller than a quarter of a
micro-batch, which is two images for the MNIST model's decoder. Passing a part to another thread takes about as long as
decoding one image.
"""

import dataclasses

from .._bundle import ModelInfo, Precision

_CACHE_BYTES = 1 << 20
_LARGEST = 32
_ON_DEVICE = 256

_VALUE_BYTES = {"float32": 4, "float16": 4, "int8": 2}  # a CPU computes in float32 what is stored in float16
_BLOCK = 8  # most micro-batches that a thread takes at a time; large blocks make latents cheaper
_SHARES = 4  # fewest blocks per thread in a long call, so that threads finish at about the same time


def micro_batch_of(role: str, precision: Precision, model: ModelInfo, provider: str) -> int:
    """Return the micro-batch of a graph, in images, by the rule of this module.

    Args:
        role: the graph's role; all but "decoder" are treated as an encoder, which is most of their work.
        precision: the graph's precision.
        model: the model's entry of the manifest.
        provider: a name of `PROVIDERS`.

    Examples:
        >>> info = cvae.read_bundle().manifest.model
        >>> sessions.micro_batch_of("encoder", "float32", info, "cpu")
        32
    """
    if role == "detector":
        return 1
    if provider != "cpu":
        return _ON_DEVICE
    height, width, channels = model.image_shape
    full = role == "decoder" and model.architecture != "residual"
    pixels = height * width if full else -(-height // 2) * -(-width // 2)
    widest = _VALUE_BYTES[precision] * pixels * max(model.filters[0] if model.filters else 1, channels)
    fitting = max(1, _CACHE_BYTES // widest)
    return min(_LARGEST, 1 << (fitting.bit_length() - 1))


@dataclasses.dataclass(frozen=True)
class Cut:
    """The division of a call among threads.

    Attributes:
        micro_batch: images in one call of the session.
        block: images that a thread takes at a time, a multiple of ``micro_batch``.
    """

    micro_batch: int
    block: int


def smallest_part(micro_batch: int) -> int:
    """Return the fewest images for which another thread pays off; smaller calls are one part."""
    return -(-micro_batch // 4)


def cut(count: int, micro_batch: int, threads: int, *, aligned: bool = False) -> Cut:
    """Divide ``count`` images among threads.

    Args:
        count: number of images, at least 1.
        micro_batch: most images in one call of the session.
        threads: number of threads that run at the same time.
        aligned: always use ``micro_batch``, so that results do not depend on ``count`` and ``threads``.
    """
    size = micro_batch
    if not aligned and count < threads * micro_batch * _SHARES:
        parts = -(-count // micro_batch)
        parts += -parts % threads
        size = min(micro_batch, max(-(-count // parts), smallest_part(micro_batch)))
    return Cut(size, size * max(1, min(_BLOCK, count // (size * threads * _SHARES))))
