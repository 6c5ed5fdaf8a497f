"""How many images a call of a session takes, and how a call of a model is cut into such.

The rule, on a CPU: a micro-batch is the largest power of two whose widest layer fits into 1 MiB, about what a core has
of second-level cache, and at most 32. The widest layer has the first of ``filters`` at the image's size in a decoder, and
at half of its height and width in an encoder. So the MNIST model decodes 8 and encodes 32 at a time. The size of this
machine's cache does not count, so that samples are cut alike on every machine of a cluster; `Model.tune` measures instead.
Other providers take 256: they want work for all their cores at once.

A call of few images is cut into as many equal parts as there are threads, none smaller than a quarter of a micro-batch:
handing a part to another thread takes about as long as decoding one image of the MNIST model, where a quarter is two.
"""

import dataclasses

from .._bundle import GraphInfo, ModelInfo

_CACHE_BYTES = 1 << 20
_LARGEST = 32
_ELSEWHERE = 256

_VALUE_BYTES = {"float32": 4, "float16": 4, "int8": 2}  # a CPU computes in float32 what is stored in float16
_BLOCK = 8  # micro-batches that a thread takes at a time, if there are enough: latents cost less when made for many
_SHARES = 4  # of a thread in a long call, at least, so that threads end at about the same time


def micro_batch_of(graph: GraphInfo, model: ModelInfo, provider: str) -> int:
    """Images a call of a graph's session takes, by the rule above."""
    if provider != "cpu":
        return _ELSEWHERE
    height, width, channels = model.image_shape
    pixels = height * width if graph.role == "decoder" else -(-height // 2) * -(-width // 2)
    widest = _VALUE_BYTES[graph.precision] * pixels * max(model.filters[0] if model.filters else 1, channels)
    fitting = max(1, _CACHE_BYTES // widest)
    return min(_LARGEST, 1 << (fitting.bit_length() - 1))


@dataclasses.dataclass(frozen=True)
class Cut:
    """How a call is cut.

    Attributes:
        micro_batch: images a call of the session takes.
        block: images that a thread takes at a time, whole micro-batches.
    """

    micro_batch: int
    block: int


def smallest_part(micro_batch: int) -> int:
    """The fewest images that are worth a thread; a call of no more is one part."""
    return -(-micro_batch // 4)


def cut(count: int, micro_batch: int, threads: int, *, whole: bool = False) -> Cut:
    """Cut ``count`` images for so many threads.

    Args:
        count: at least 1.
        micro_batch: the largest that a call of the session may take.
        threads: how many run at a time.
        whole: always take the largest, for results that depend on nothing else.
    """
    size = micro_batch
    if not whole and count < threads * micro_batch * _SHARES:
        parts = -(-count // micro_batch)
        parts += -parts % threads
        size = min(micro_batch, max(-(-count // parts), smallest_part(micro_batch)))
    return Cut(size, size * max(1, min(_BLOCK, count // (size * threads * _SHARES))))
