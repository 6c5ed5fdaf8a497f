"""The bundle's random numbers, ``threefry2x32-20/box-muller``: a seed gives the same latents in every language."""

import numpy as np
from numpy.typing import NDArray

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PRIOR, POSTERIOR = 0, 1 << 63  # the first counters of the two streams


def threefry(low: NDArray[np.uint32], high: NDArray[np.uint32], seed: int) -> tuple[NDArray[np.uint32], ...]:
    """Encrypt counters, given as low and high words, with a 64-bit key in 20 rounds."""
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    key = np.array([k0, k1, k0 ^ k1 ^ 0x1BD11BDA], np.uint32)
    a, b = low + key[0], high + key[1]  # uint32 addition wraps
    for group in range(5):
        for bits in ROTATIONS[group % 2]:
            a = a + b
            b = (b << np.uint32(bits) | b >> np.uint32(32 - bits)) ^ a
        a, b = a + key[(group + 1) % 3], b + key[(group + 2) % 3] + np.uint32(group + 1)
    return a, b


def normals(seed: int, first: int, count: int, length: int, stream: int = PRIOR) -> NDArray[np.float32]:
    """Draw latents or posterior noise ``first`` to ``first + count - 1``: float32 (count, length)."""
    pairs = (length + 1) // 2
    counters = np.uint64(stream + first * pairs) + np.arange(count * pairs, dtype=np.uint64)
    a, b = threefry(counters.astype(np.uint32), (counters >> np.uint64(32)).astype(np.uint32), seed)
    radius = np.sqrt(-2 * np.log((a + 0.5) / 2**32))
    angle = 2 * np.pi * ((b + 0.5) / 2**32)
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return both.reshape(count, 2 * pairs)[:, :length].astype(np.float32)
