"""Options for reading images, and the shape that follows from them."""

import dataclasses
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime import InputError
from cvae_train import DataOptions

SIDES = st.integers(1, 999)
OPTIONS = st.builds(
    DataOptions,
    st.none() | st.tuples(SIDES, SIDES),
    st.sampled_from([None, 1, 3]),
    st.none() | st.floats(0.01, 0.99),
    st.booleans(),
)


@given(OPTIONS)
def test_options_come_back_from_json(options):
    assert DataOptions.from_json(json.loads(json.dumps(dataclasses.asdict(options)))) == options


@given(OPTIONS, SIDES, SIDES, st.sampled_from([(1,), (3,), (1, 3)]))
def test_the_shape_is_what_was_asked_for_or_what_all_have(options, height, width, channels):
    shape = options.shape_of(Counter({(height, width, c): 5 for c in channels}), "set")
    assert shape == (*(options.image_size or (height, width)), options.channels or max(channels))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("image_size", (0, 4), "image_size must be a height and width of at least 1 pixel; found (0, 4)"),
        ("channels", 2, "channels must be 1 or 3; found 2"),
        ("test_fraction", 0.0, "test_fraction must be between 0 and 1; found 0.0"),
        ("test_fraction", 1, "test_fraction must be between 0 and 1; found 1"),
        ("test_fraction", float("nan"), "test_fraction must be between 0 and 1; found nan"),
    ],
)
def test_wrong_options_are_refused(field, value, message):
    with pytest.raises(InputError) as caught:
        DataOptions(**{field: value})
    assert str(caught.value) == message


def test_several_sizes_are_listed_with_their_counts():
    found = Counter({(4, 8, 1): 2, (4, 8, 3): 1, (8, 4, 3): 1200})
    with pytest.raises(InputError) as caught:
        DataOptions().shape_of(found, "set")
    assert str(caught.value) == (
        "set: expected images of one size, found 2 sizes (width x height): 4x8 (1,200), 8x4 (3); "
        "pass --image-size to scale and crop them to one"
    )


def test_of_many_sizes_the_most_frequent_are_listed():
    found = {(size, 9, 1): size for size in range(1, 8)}
    with pytest.raises(
        InputError, match=r"found 7 sizes \(width x height\): 9x7 \(7\), .*, 9x3 \(3\) and 2 more; pass"
    ):
        DataOptions().shape_of(found, "set")
