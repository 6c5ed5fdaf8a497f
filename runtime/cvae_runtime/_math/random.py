"""Random latents that are the same in every language: ``threefry2x32-20/box-muller``.

A latent is a function of seed and index alone. Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel
random numbers: as easy as 1, 2, 3", SC 2011) encrypts a 64-bit counter with a 64-bit key, the seed, and outputs two
32-bit words. The Box-Muller transform, in float64, converts them to two normal numbers, which are rounded to float32.

The prior uses counters below 2^63 and the posterior uses the others, so the two streams never overlap.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._check import check_int, is_int
from .._errors import InputError

RNG_NAME = "threefry2x32-20/box-muller"
"""The name of the random numbers in a bundle's manifest.

Examples:
    >>> cvae.read_bundle().manifest.model.rng == random.RNG_NAME
    True
"""

_POSTERIOR_COUNTERS = 1 << 63
_KEY_PARITY = np.uint32(0x1BD11BDA)
_TURNS = (13, 15, 26, 6, 17, 29, 16, 24)  # bits of the rotations
_ROTATIONS = [(np.uint32(bits), np.uint32(32 - bits)) for bits in _TURNS]  # bits to shift left, and right
_MOST_PACKED = 128  # counters; for more, NumPy is faster

Words = NDArray[np.uint32]


def threefry2x32(low: Words, high: Words, key: tuple[int, int]) -> tuple[Words, Words]:
    """Encrypt 64-bit counters with Threefry-2x32, 20 rounds.

    Args:
        low, high: low and high words of the counters, uint32 (N,).
        key: low and high word of the key.

    Returns:
        The two output words of each counter, uint32 (N,) each.

    Examples:
        >>> zero = np.zeros(1, np.uint32)
        >>> [hex(int(words[0])) for words in random.threefry2x32(zero, zero, (0, 0))]
        ['0x6b200159', '0x99ba4efe']
    """
    if 0 < len(low) <= _MOST_PACKED:
        a, b = (int.from_bytes(words.astype("<u8").tobytes(), "little") for words in (low, high))
        first, second = _threefry_packed(a, b, len(low), key)
        return first.astype(np.uint32), second.astype(np.uint32)
    keys = np.array([key[0], key[1], 0], np.uint32)
    keys[2] = keys[0] ^ keys[1] ^ _KEY_PARITY
    # Additions are modulo 2^32; NumPy does not warn about overflow in arrays.
    first, second = low + keys[0], high + keys[1]
    shifted = np.empty_like(second)
    for group in range(5):
        for left, right in _ROTATIONS[:4] if group % 2 == 0 else _ROTATIONS[4:]:
            np.add(first, second, first)
            np.left_shift(second, left, shifted)
            np.right_shift(second, right, second)
            np.bitwise_or(second, shifted, second)
            np.bitwise_xor(second, first, second)
        np.add(first, keys[(group + 1) % 3], first)
        np.add(second, keys[(group + 2) % 3 : (group + 2) % 3 + 1] + np.uint32(group + 1), second)
    return first, second


def _threefry_packed(a: int, b: int, count: int, key: tuple[int, int]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Encrypt ``count`` counters whose low words, in 64 bits each, are the long integer ``a``, and high words ``b``.

    An operation of Python on all words takes less time than a call of NumPy for few of them.
    """
    ones, _ = _packed_counts(count)
    mask = ones * 0xFFFFFFFF
    keys = (*key, key[0] ^ key[1] ^ int(_KEY_PARITY))
    a, b = a + ones * keys[0], (b + ones * keys[1]) & mask
    for group in range(5):
        for turn in _TURNS[:4] if group % 2 == 0 else _TURNS[4:]:
            a += b  # its carries stay in the upper half of the 64 bits
            b = ((b << turn | b >> 32 - turn) ^ a) & mask
        a += ones * keys[(group + 1) % 3]
        b = (b + ones * (keys[(group + 2) % 3] + group + 1)) & mask
    first, second = (np.frombuffer(word.to_bytes(8 * count, "little"), "<u8") for word in (a & mask, b))
    return first, second


@functools.lru_cache(_MOST_PACKED)
def _packed_counts(count: int) -> tuple[int, int]:
    """Return the numbers 1, 1, … 1 and 0, 1, … count - 1, in 64 bits each, as two long integers."""
    ones, ramp = np.ones(count, "<u8"), np.arange(count, dtype="<u8")
    return int.from_bytes(ones.tobytes(), "little"), int.from_bytes(ramp.tobytes(), "little")


def prior_latents(seed: int, first: int, count: int, latent_dim: int) -> NDArray[np.float32]:
    """Draw latents ``first .. first + count - 1`` of the prior N(0, I), the latents of `Model.generate`.

    Args:
        seed: unsigned 64-bit number.
        first: index of the first latent.
        count: number of latents.
        latent_dim: L, the length of a latent.

    Returns:
        float32 (count, L).

    Raises:
        InputError: a number out of range. The stream ends where its counters reach 2^63.

    Examples:
        >>> noise = cvae.prior_latents(seed=7, first=0, count=3, latent_dim=40)
        >>> noise.shape, round(float(noise[0, 0]), 4)
        ((3, 40), -0.0405)
    """
    check_range(seed, first, count, latent_dim)
    return _normals(int(seed), 0, int(first), int(count), int(latent_dim))


def posterior_noise(seed: int, first: int, count: int, latent_dim: int) -> NDArray[np.float32]:
    """Draw posterior noise ``first .. first + count - 1`` from N(0, I), the noise of `Model.score`.

    With k draws per image, draw t = 0 .. k-1 of image i has index i*k + t.

    Args:
        seed: unsigned 64-bit number.
        first: index of the first draw.
        count: number of draws.
        latent_dim: L, the length of a latent.

    Returns:
        float32 (count, L).

    Raises:
        InputError: a number out of range. The stream ends where its counters reach 2^64.

    Examples:
        >>> model = cvae.load()
        >>> images = model.generate(3, dtype="uint8")
        >>> mean, logvar = model.encode(images)
        >>> z = mean + np.exp(logvar / 2) * cvae.posterior_noise(seed=7, first=0, count=3, latent_dim=40)
        >>> bool(abs(model.decode(z) - model.reconstruct(images, sample=True, seed=7)).max() < 1e-4)
        True
    """
    check_range(seed, first, count, latent_dim)
    return _normals(int(seed), _POSTERIOR_COUNTERS, int(first), int(count), int(latent_dim))


def derived_key(seed: int, *numbers: int) -> tuple[int, int]:
    """Derive a key of `threefry2x32` from a seed, for a stream that is independent of the latents.

    Each number in turn is encrypted with the key so far, as the counter 2^64 - 2^32 + number. The output words are the
    next key.

    Args:
        seed: unsigned 64-bit number.
        numbers: from 0 to below 2^32; the first is the tag of the stream.

    Returns:
        The low and the high word of the key.

    Raises:
        InputError: a number out of range.

    Examples:
        >>> random.derived_key(0, 1) != random.derived_key(0, 2)
        True
    """
    check_seed(seed)
    key = int(seed) & 0xFFFFFFFF, int(seed) >> 32
    for number in numbers:
        if check_int("number", number, 0) >> 32:
            raise InputError(f"number must be below 2^32; found {number}")
        low, high = threefry2x32(np.array([number], np.uint32), np.array([0xFFFFFFFF], np.uint32), key)
        key = int(low[0]), int(high[0])
    return key


def check_seed(seed: int) -> None:
    """Raise `InputError` unless ``seed`` is an unsigned 64-bit number.

    Examples:
        >>> try:
        ...     random.check_seed(-1)
        ... except cvae.InputError as error:
        ...     print(error)
        seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found -1
    """
    if not is_int(seed) or not 0 <= seed < 1 << 64:
        raise InputError(f"seed must be an unsigned 64-bit number, 0 to {(1 << 64) - 1}; found {seed!r}")


def check_range(seed: int, first: int, count: int, latent_dim: int) -> None:
    """Raise `InputError` unless the stream of ``seed`` has latents ``first .. first + count - 1``."""
    check_seed(seed)
    end = stream_end(check_int("latent_dim", latent_dim, 1))
    if check_int("first", first, 0) + check_int("count", count, 0) > end:
        raise InputError(f"first + count must be at most {end} for latents of {latent_dim}; found {first} + {count}")


def stream_end(latent_dim: int) -> int:
    """Return the number of latents of length ``latent_dim`` in a stream."""
    return _POSTERIOR_COUNTERS // _pairs(latent_dim)


def _pairs(latent_dim: int) -> int:
    return (latent_dim + 1) // 2


def _normals(seed: int, counters_from: int, first: int, count: int, latent_dim: int) -> NDArray[np.float32]:
    pairs = _pairs(latent_dim)
    a, b = _words_from(counters_from + first * pairs, count * pairs, (seed & 0xFFFFFFFF, seed >> 32))
    radius = np.sqrt(-2.0 * np.log((a + 0.5) / 4294967296.0))
    angle = (b + 0.5) * (2.0 * np.pi / 4294967296.0)  # a division by a power of 2 does not round
    latents = np.empty((count * pairs, 2), np.float32)
    latents[:, 0] = radius * np.cos(angle)
    latents[:, 1] = radius * np.sin(angle)
    return np.ascontiguousarray(latents.reshape(count, 2 * pairs)[:, :latent_dim])


def _words_from(counter: int, count: int, key: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Encrypt ``count`` successive counters; see `threefry2x32`."""
    if 0 < count <= _MOST_PACKED and (counter & 0xFFFFFFFF) + count <= 1 << 32:  # they share their high word
        ones, ramp = _packed_counts(count)
        return _threefry_packed(ones * (counter & 0xFFFFFFFF) + ramp, ones * (counter >> 32), count, key)
    counters = np.uint64(counter) + np.arange(count, dtype=np.uint64)
    # The first conversion keeps the low 32 bits.
    return threefry2x32(counters.astype(np.uint32), (counters >> np.uint64(32)).astype(np.uint32), key)
