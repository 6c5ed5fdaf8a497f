"""Images of the lowest ELBO."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime._jobs.anomalies import LowestElbo, draw_pairs


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.integers(1, 9), st.integers(1, 9))
def test_batches_do_not_change_the_result(elbos, limit, batch):
    elbo, index = np.array(elbos, np.float64), np.arange(100, 100 + len(elbos))
    images = index.astype(np.uint8).reshape(-1, 1, 1, 1)
    lowest = LowestElbo(limit, (1, 1, 1))
    for start in range(0, len(elbos), batch):
        part = slice(start, start + batch)
        lowest.offer(index[part], elbo[part], images[part])
    expected = sorted(range(len(elbos)), key=lambda i: (elbos[i], i))[:limit]
    assert lowest.elbo.tolist() == [elbos[i] for i in expected]
    assert lowest.index.tolist() == [100 + i for i in expected]
    assert lowest.images.ravel().tolist() == lowest.index.tolist()
    assert (lowest.index.dtype, lowest.images.dtype) == (np.int64, np.uint8)


def test_a_limit_of_0_keeps_none():
    lowest = LowestElbo(0, (1, 1, 1))
    lowest.offer(np.arange(3), np.zeros(3), np.zeros((3, 1, 1, 1), np.uint8))
    assert lowest.images.shape == (0, 1, 1, 1)


def test_a_pair_has_its_caption_below():
    originals = np.arange(40, 200, 32, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(20, axis=1).repeat(20, axis=2)
    picture = draw_pairs(originals, originals + 1, ["0", "11", "2", "3", "4"])[..., 0]
    # Images are drawn twice as large, within a pixel of grey; a caption has 14 lines, and cells a pixel between them.
    height, width = 1 + 40 + 1 + 40 + 1 + 14 + 1, 42 + 1
    assert picture.shape == (2 * height + 1, 4 * width + 1)
    for number, grey in enumerate(originals[:, 0, 0, 0]):
        top, left = 1 + number // 4 * height, 1 + number % 4 * width
        cell = picture[top : top + height - 1, left : left + width - 1]
        assert (cell[1:41, 1:41] == grey).all()
        assert (cell[42:82, 1:41] == grey + 1).all()
        assert cell[83:].min() < 30  # ink
