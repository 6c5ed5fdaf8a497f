"""The specified random numbers, the same in every language: ``threefry2x32-20/box-muller``.

A latent is a function of seed and index alone. Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel
random numbers: as easy as 1, 2, 3", SC 2011) turns a 64-bit counter under a 64-bit key, the seed, into two 32-bit
words, and the Box-Muller transform in float64 turns these into two normal numbers, rounded to float32.

The prior's counters lie below 2^63 and the posterior's from there on, so the two streams never meet.
"""

import numpy as np
from numpy.typing import NDArray

from .._check import is_whole, whole
from .._errors import InputError

RNG_NAME = "threefry2x32-20/box-muller"

_POSTERIOR_COUNTERS = 1 << 63
_KEY_PARITY = np.uint32(0x1BD11BDA)
# To the left by so many bits, and to the right by what is left of 32.
_ROTATIONS = [(np.uint32(bits), np.uint32(32 - bits)) for bits in (13, 15, 26, 6, 17, 29, 16, 24)]

Words = NDArray[np.uint32]


def threefry2x32(low: Words, high: Words, key: tuple[int, int]) -> tuple[Words, Words]:
    """Encrypt counters with Threefry-2x32, 20 rounds.

    Args:
        low, high: the counters' low and high words, uint32 (N,).
        key: the key's low and high word.

    Returns:
        The two output words of each counter, uint32 (N,) each.
    """
    keys = np.array([key[0], key[1], 0], np.uint32)
    keys[2] = keys[0] ^ keys[1] ^ _KEY_PARITY
    # Additions are modulo 2^32: on arrays NumPy wraps without a warning.
    a, b = low + keys[0], high + keys[1]
    shifted = np.empty_like(b)
    for group in range(5):
        for left, right in _ROTATIONS[:4] if group % 2 == 0 else _ROTATIONS[4:]:
            np.add(a, b, a)
            np.left_shift(b, left, shifted)
            np.right_shift(b, right, b)
            np.bitwise_or(b, shifted, b)
            np.bitwise_xor(b, a, b)
        np.add(a, keys[(group + 1) % 3], a)
        np.add(b, keys[(group + 2) % 3 : (group + 2) % 3 + 1] + np.uint32(group + 1), b)
    return a, b


def prior_latents(seed: int, first: int, count: int, latent_dim: int) -> NDArray[np.float32]:
    """Draw samples ``first .. first + count - 1`` of the prior N(0, I).

    Args:
        seed: unsigned 64-bit number.
        first: index of the first sample.
        count: number of samples.
        latent_dim: L, the length of a latent.

    Returns:
        float32 (count, L).

    Raises:
        InputError: seed, first or count out of range; the stream ends where counters reach 2^63.
    """
    check_range(seed, first, count, latent_dim)
    return _normals(int(seed), 0, int(first), int(count), int(latent_dim))


def posterior_noise(seed: int, first: int, count: int, latent_dim: int) -> NDArray[np.float32]:
    """Draw posterior noise for the running numbers ``n = first .. first + count - 1``, N(0, I).

    Image i of a call with k draws an image takes the numbers n = i*k + t for its draws t = 0 .. k-1.

    Returns:
        float32 (count, L).

    Raises:
        InputError: seed, first or count out of range.
    """
    check_range(seed, first, count, latent_dim)
    return _normals(int(seed), _POSTERIOR_COUNTERS, int(first), int(count), int(latent_dim))


def check_seed(seed: int) -> None:
    """Raise `InputError` unless ``seed`` is an unsigned 64-bit number."""
    if not is_whole(seed) or not 0 <= seed < 1 << 64:
        raise InputError(f"seed must be an unsigned 64-bit number, 0 to {(1 << 64) - 1}; found {seed!r}")


def check_range(seed: int, first: int, count: int, latent_dim: int) -> None:
    """Raise `InputError` unless a stream of latents has the numbers ``first .. first + count - 1``."""
    check_seed(seed)
    end = stream_end(whole("latent_dim", latent_dim, 1))
    if whole("first", first, 0) + whole("count", count, 0) > end:
        raise InputError(f"first + count must be at most {end} for latents of {latent_dim}; found {first} + {count}")


def stream_end(latent_dim: int) -> int:
    """How many latents of L values a stream has."""
    return _POSTERIOR_COUNTERS // _pairs(latent_dim)


def _pairs(latent_dim: int) -> int:
    return (latent_dim + 1) // 2


def _normals(seed: int, counters_from: int, first: int, count: int, latent_dim: int) -> NDArray[np.float32]:
    pairs = _pairs(latent_dim)
    counters = np.uint64(counters_from + first * pairs) + np.arange(count * pairs, dtype=np.uint64)
    low = counters.astype(np.uint32)  # keeps the low 32 bits
    high = (counters >> np.uint64(32)).astype(np.uint32)
    a, b = threefry2x32(low, high, (seed & 0xFFFFFFFF, seed >> 32))
    u = (a + 0.5) / 4294967296.0
    angle = (2.0 * np.pi) * ((b + 0.5) / 4294967296.0)
    radius = np.sqrt(-2.0 * np.log(u))
    latents = np.empty((count, pairs, 2), np.float32)
    latents[..., 0] = (radius * np.cos(angle)).reshape(count, pairs)
    latents[..., 1] = (radius * np.sin(angle)).reshape(count, pairs)
    return np.ascontiguousarray(latents.reshape(count, 2 * pairs)[:, :latent_dim])
