import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cvae_train._split import held_out

names = st.lists(st.text(), min_size=2, max_size=50, unique=True)


def test_the_part_is_the_same_everywhere():
    assert np.flatnonzero(held_out([str(number) for number in range(10)], 0.3)).tolist() == [4, 8, 9]


@given(names, st.floats(0.01, 0.99))
def test_as_many_are_held_out_as_asked(keys, fraction):
    assert held_out(keys, fraction).sum() == max(1, round(len(keys) * fraction))


@given(names, st.floats(0.01, 0.99), st.randoms())
def test_an_image_s_part_does_not_depend_on_the_order(keys, fraction, random):
    shuffled = random.sample(keys, len(keys))
    assert dict(zip(keys, held_out(keys, fraction), strict=True)) == dict(
        zip(shuffled, held_out(shuffled, fraction), strict=True)
    )


def test_added_images_move_few_others():
    keys = [f"{number}.png" for number in range(1000)]
    before, after = held_out(keys[:900], 0.1), held_out(keys, 0.1)[:900]
    assert (before != after).sum() <= 20
    assert held_out(keys, 0.1).sum() == 100
