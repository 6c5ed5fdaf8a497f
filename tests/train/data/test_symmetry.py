import numpy as np
import pytest

from cvae_train._data import LEAST_IMAGES, look_at
from cvae_train._data.symmetry import SymmetryTest


def symmetry_of(images):
    test = SymmetryTest()
    for image in images:
        test.add(image)
    return test.result()


def pictures(rng, draw, count=200, height=24, width=24):
    images = rng.integers(0, 40, (count, height, width, 1), np.uint8)
    for image in images:
        row, column = rng.integers(4, height - 4), rng.integers(4, width - 4)
        draw(image, row, column)
    return images


def dots(image, row, column):
    image[row - 2 : row + 3, column - 2 : column + 3] = 200


def dots_below_a_sky(image, row, column):
    image[:6] += 100
    dots(image, row, column)


def letters(image, row, column):
    image[row - 4 : row + 4, column] = 200
    image[row + 3, column : column + 4] = 200


def slashes(image, row, column):
    for step in range(-4, 4):
        image[row + step, column - step] = 255


@pytest.mark.parametrize(
    ("draw", "shape", "symmetry"),
    [
        (dots, (24, 24), "dihedral"),
        (dots, (24, 30), "mirror-flip"),
        (dots_below_a_sky, (24, 24), "mirror"),
        (letters, (24, 24), "none"),
        (slashes, (24, 24), "none"),
    ],
)
def test_symmetries_of_known_sets(draw, shape, symmetry):
    rng = np.random.default_rng(3)
    assert symmetry_of(pictures(rng, draw, height=shape[0], width=shape[1])) == symmetry


def test_few_images_show_no_symmetry():
    images = pictures(np.random.default_rng(0), dots, count=LEAST_IMAGES)
    assert symmetry_of(images) == "dihedral"
    assert symmetry_of(images[1:]) == "none"


def test_equal_images_are_symmetric_and_turns_need_squares():
    plain = [np.full((9, 9, 3), 7, np.uint8)] * LEAST_IMAGES
    assert symmetry_of(plain) == "dihedral"
    assert symmetry_of([*plain, np.full((9, 8, 3), 7, np.uint8)]) == "mirror-flip"


def test_a_look_has_the_symmetry_of_the_training_images(tmp_path):
    assert look_at("mnist", quiet=True).symmetry == "none"
    np.save(tmp_path / "set.npy", pictures(np.random.default_rng(2), dots_below_a_sky))
    assert look_at(tmp_path / "set.npy", quiet=True).symmetry == "mirror"
