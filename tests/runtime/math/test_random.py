"""The specified random numbers: known answers, an independent reference, and independence of batches."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cvae_runtime as cvae
import cvae_runtime.random
from cvae_runtime.random import threefry2x32

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "rng.json").read_text())
MASK = 0xFFFFFFFF
SEEDS = st.integers(0, (1 << 64) - 1)


def reference_threefry(counter, key):
    """Compute Threefry-2x32-20 on Python ints, as in the paper."""
    keys = [*key, key[0] ^ key[1] ^ 0x1BD11BDA]
    a, b = (counter[0] + keys[0]) & MASK, (counter[1] + keys[1]) & MASK
    for step in range(20):
        a = (a + b) & MASK
        turn = (13, 15, 26, 6, 17, 29, 16, 24)[step % 8]
        b = (((b << turn) | (b >> (32 - turn))) & MASK) ^ a
        if step % 4 == 3:
            group = step // 4 + 1
            a = (a + keys[group % 3]) & MASK
            b = (b + keys[(group + 1) % 3] + group) & MASK
    return a, b


def reference_normals(seed, index, latent_dim, base):
    """Compute one latent as in the specification, a pair at a time."""
    pairs = -(-latent_dim // 2)
    values = []
    for j in range(pairs):
        counter = base + index * pairs + j
        a, b = reference_threefry((counter & MASK, counter >> 32), (seed & MASK, seed >> 32))
        radius = math.sqrt(-2.0 * math.log((a + 0.5) / 2**32))
        angle = 2.0 * math.pi * ((b + 0.5) / 2**32)
        values += [radius * math.cos(angle), radius * math.sin(angle)]
    return np.array(values[:latent_dim], np.float32)


def words(latents):
    return [f"{word:08x}" for word in latents.astype("<f4").view("<u4").ravel()]


def assert_within_an_ulp(found, expected):
    """Check equality up to the last bit, in which logarithms and cosines of machines may differ."""
    assert (found.dtype, found.shape) == (np.dtype(np.float32), expected.shape)
    assert (np.abs(found - expected) <= np.spacing(np.abs(expected))).all()


def from_words(hex_words):
    return np.array([int(word, 16) for word in hex_words], np.uint32).view(np.float32)


def encrypt(counter, key):
    low, high = (np.array([word], np.uint32) for word in counter)
    a, b = threefry2x32(low, high, key)
    assert (a.dtype, b.dtype) == (np.uint32, np.uint32)
    return int(a[0]), int(b[0])


@pytest.mark.parametrize(
    ("counter", "key", "output"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((MASK, MASK), (MASK, MASK), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers_of_random123(counter, key, output):
    assert encrypt(counter, key) == output
    assert reference_threefry(counter, key) == output  # validates the reference


@given(st.lists(st.tuples(st.integers(0, MASK), st.integers(0, MASK)), min_size=1, max_size=300), SEEDS)
def test_few_and_many_counters_are_encrypted_alike(counters, seed):
    key = (seed & MASK, seed >> 32)
    low, high = np.array(counters, np.uint32).T
    found = np.array(threefry2x32(low, high, key))
    assert found.T.tolist() == [list(reference_threefry(counter, key)) for counter in counters]


def test_known_answers_in_the_golden_file():
    assert GOLDEN["rng"] == cvae.random.RNG_NAME == "threefry2x32-20/box-muller"
    assert len(GOLDEN["threefry"]) >= 3
    for case in GOLDEN["threefry"]:
        counter, key, output = (tuple(int(word, 16) for word in case[name]) for name in ("counter", "key", "output"))
        assert encrypt(counter, key) == output


@given(st.tuples(*[st.integers(0, MASK)] * 4))
def test_threefry_equals_the_reference(numbers):
    assert encrypt(numbers[:2], numbers[2:]) == reference_threefry(numbers[:2], numbers[2:])


@pytest.mark.parametrize(
    ("seed", "index", "latent_dim", "begins", "ends"),
    [
        (0, 0, 50, "bf8860bf bf477a81 3d04b4ec", "3f835570"),
        (7, 40, 50, "3e17c6a5 bdef29a9 3f065bb4", "bdb97b47"),
        (0x0123456789ABCDEF, 2**40, 3, "bdb34c65 bf2efc6a bf839799", "bf839799"),
    ],
)
def test_known_prior_latents(seed, index, latent_dim, begins, ends):
    latents = cvae.prior_latents(seed, index, 1, latent_dim)
    assert latents.shape == (1, latent_dim)
    assert_within_an_ulp(latents[0, :3], from_words(begins.split()))
    assert_within_an_ulp(latents[0, -1:], from_words([ends]))
    golden = {(case["seed"], case["index"], case["latent_dim"]): case["latents"] for case in GOLDEN["prior"]}
    told = golden[str(seed), str(index), latent_dim]
    assert (" ".join(told[:3]), told[-1], len(told)) == (begins, ends, latent_dim)


def test_the_high_word_of_counters_changes_between_latents():
    first = (1 << 32) // 25 - 9  # 25 counters a latent
    many = cvae.prior_latents(3, first, 20, 50)
    for index in range(20):
        np.testing.assert_array_equal(cvae.prior_latents(3, first + index, 1, 50)[0], many[index])


@pytest.mark.parametrize("case", GOLDEN["prior"], ids=lambda case: f"seed-{case['seed']}-index-{case['index']}")
def test_prior_latents_in_the_golden_file(case):
    latents = cvae.prior_latents(int(case["seed"]), int(case["index"]), 1, case["latent_dim"])
    assert_within_an_ulp(latents[0], from_words(case["latents"]))


@pytest.mark.parametrize("case", GOLDEN["posterior"], ids=lambda case: f"seed-{case['seed']}-n-{case['n']}")
def test_posterior_noise_in_the_golden_file(case):
    noise = cvae.posterior_noise(int(case["seed"]), int(case["n"]), 1, case["latent_dim"])
    assert_within_an_ulp(noise[0], from_words(case["noise"]))


@given(SEEDS, st.integers(0, 1 << 50), st.integers(1, 9))
def test_latents_and_noise_equal_the_reference(seed, index, latent_dim):
    prior, noise = (draw(seed, index, 1, latent_dim)[0] for draw in (cvae.prior_latents, cvae.posterior_noise))
    assert_within_an_ulp(prior, reference_normals(seed, index, latent_dim, 0))
    assert_within_an_ulp(noise, reference_normals(seed, index, latent_dim, 1 << 63))


@pytest.mark.parametrize("latent_dim", [1, 2, 3, 50])
def test_the_ends_of_both_streams(latent_dim, refuses):
    end = (1 << 63) // -(-latent_dim // 2)
    for draw, base in ((cvae.prior_latents, 0), (cvae.posterior_noise, 1 << 63)):
        last = draw(3, end - 1, 1, latent_dim)[0]
        assert_within_an_ulp(last, reference_normals(3, end - 1, latent_dim, base))
        message = f"first + count must be at most {end} for latents of {latent_dim}; found {end} + 1"
        with refuses(cvae.InputError, message):
            draw(3, end, 1, latent_dim)


@given(SEEDS, st.integers(0, 1 << 40), st.integers(1, 40), st.integers(1, 8), st.data())
def test_any_split_gives_the_same_bits(seed, first, count, latent_dim, data):
    cut = data.draw(st.integers(0, count))
    for draw in (cvae.prior_latents, cvae.posterior_noise):
        parts = [draw(seed, first, cut, latent_dim), draw(seed, first + cut, count - cut, latent_dim)]
        whole = draw(seed, first, count, latent_dim)
        assert whole.shape == (count, latent_dim)
        assert words(whole) == words(np.concatenate(parts))


def reference_key(seed, numbers):
    """Derive a key as in the specification."""
    key = (seed & MASK, seed >> 32)
    for number in numbers:
        counter = (1 << 64) - (1 << 32) + number
        key = reference_threefry((counter & MASK, counter >> 32), key)
    return key


@pytest.mark.parametrize(
    ("seed", "numbers", "key"),
    [
        (0, (), (0, 0)),
        ((7 << 32) + 5, (), (5, 7)),
        (0, (1, 1), (0x1FB4C4FC, 0x92EB5F75)),
        (0, (2,), (0x915BA714, 0x7C427698)),
        (0, (3,), (0xA283A66A, 0x89EABC44)),
        (5, (1, 1), (0xAF48BD68, 0x41F0A807)),
        ((1 << 64) - 1, (1, MASK), (0x96739DB0, 0xA98DA5F0)),
    ],
)
def test_known_keys(seed, numbers, key):
    assert cvae.random.derived_key(seed, *numbers) == key == reference_key(seed, numbers)


@given(SEEDS, st.lists(st.integers(0, MASK), max_size=3))
def test_derived_keys_equal_the_reference(seed, numbers):
    key = cvae.random.derived_key(seed, *numbers)
    assert key == reference_key(seed, numbers)
    assert [type(word) for word in key] == [int, int]


def test_keys_of_different_numbers_differ():
    numbers = [(), (0,), (1,), (2,), (3,), (1, 0), (1, 1), (1, 2), (2, 1), (1, 1, 1), (MASK,), (1, MASK)]
    keys = {cvae.random.derived_key(seed, *each) for seed in (0, 1, 1 << 32) for each in numbers}
    assert len(keys) == 3 * len(numbers)


def test_odd_lengths_drop_the_last_number():
    assert words(cvae.prior_latents(9, 4, 6, 5)) == words(np.ascontiguousarray(cvae.prior_latents(9, 4, 6, 6)[:, :5]))


def test_seeds_that_share_their_low_word():
    streams = [cvae.prior_latents(seed, 0, 4, 4) for seed in (5, 5 + (1 << 32), 5 + (1 << 63))]
    assert all((a != b).all() for a, b in itertools.pairwise(streams))


def test_latents_are_standard_normal():
    latents = cvae.prior_latents(0, 0, 20_000, 5).astype(np.float64)
    # 100,000 numbers: the bounds are five standard errors of each moment.
    for power, moment, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
        assert abs((latents**power).mean() - moment) < 5.0 * math.sqrt(variance / latents.size)
    assert np.abs(np.corrcoef(latents.T) - np.eye(5)).max() < 5.0 / math.sqrt(len(latents))


def test_count_0():
    assert cvae.prior_latents(0, 5, 0, 3).shape == (0, 3)


def test_numpy_integers():
    expected = words(cvae.prior_latents((1 << 64) - 1, 7, 2, 3))
    assert words(cvae.prior_latents(np.uint64((1 << 64) - 1), np.int64(7), np.uint8(2), 3)) == expected


@pytest.mark.parametrize("seed", [-1, 1 << 64, 1.0, True, "0", None])
def test_invalid_seeds(seed, refuses):
    message = f"seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found {seed!r}"
    for call in (cvae.random.check_seed, lambda seed: cvae.prior_latents(seed, 0, 1, 3), cvae.random.derived_key):
        with refuses(cvae.InputError, message):
            call(seed)


@pytest.mark.parametrize("value", [-1, 0.0, 1.0, True, None, "0"])
@pytest.mark.parametrize("name", ["first", "count"])
def test_invalid_ranges(name, value, refuses):
    span = {"first": 0, "count": 1, name: value}
    for draw in (cvae.prior_latents, cvae.posterior_noise):
        with refuses(cvae.InputError, f"{name} must be a whole number of at least 0; found {value!r}"):
            draw(0, span["first"], span["count"], 3)


@pytest.mark.parametrize("latent_dim", [0, -3, 2.5, None])
def test_invalid_latent_lengths(latent_dim):
    for draw in (cvae.prior_latents, cvae.posterior_noise):
        with pytest.raises(cvae.InputError, match="latent_dim"):
            draw(0, 0, 1, latent_dim)
