import numpy as np
import pytest

from cvae_runtime import Posterior, Scores
from cvae_train._evaluate.classes import (
    ClassFigures,
    Classification,
    class_table,
    classified_images,
    classify,
    figures_by_class,
    shortened,
)


def test_figures_of_each_class():
    reconstruction, kl = np.array([-10.0, -20.0, -30.0, -40.0]), np.array([1.0, 2.0, 3.0, 4.0])
    posterior = Posterior(np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32))
    scores = Scores(reconstruction - kl, reconstruction, kl, reconstruction, posterior, 1)
    found = figures_by_class(scores, ("a", "b", "c"), np.array([2, 0, 2, 0]))
    assert found == [ClassFigures("a", 2, -33.0, 3.0), ClassFigures("c", 2, -22.0, 2.0)]


def test_the_table_of_classes():
    classes = [ClassFigures("circle", 1200, -101.234, 9.876), ClassFigures("x" * 30, 3, -9.0, 1.0)]
    assert class_table(classes, given=True) == [
        "class                       images  ELBO given the label        KL",
        "circle                       1,200               -101.23      9.88",
        "xxxxxxxxxxxxxxxxxxxxx...         3                 -9.00      1.00",
    ]
    assert class_table(classes, given=False)[0] == (
        "class                       images                  ELBO        KL"
    )
    assert class_table([], given=True) == []


def test_many_classes_are_not_all_listed():
    classes = [ClassFigures(str(n), 1, -1.0, 1.0) for n in range(1022)]
    lines = class_table(classes, given=True)
    assert (len(lines), lines[20].split()[0], lines[21]) == (22, "19", "and 1,002 more, in evaluation.json")
    assert len(class_table(classes[:20], given=True)) == 21


@pytest.mark.parametrize(("name", "short"), [("a" * 24, "a" * 24), ("a" * 25, "a" * 21 + "...")])
def test_long_names_are_shortened(name, short):
    assert shortened(name) == short


@pytest.mark.parametrize(
    ("images", "classes", "expected"), [(10_000, 10, 1000), (300, 10, 300), (10_000, 3000, 3), (5, 20_000, 1)]
)
def test_fewer_images_are_classified_with_more_classes(images, classes, expected):
    assert classified_images(images, classes) == expected


def test_the_class_of_the_highest_bound():
    bounds = np.array([[-3.0, -2.0, -9.0], [-1.0, -2.0, -3.0], [-5.0, -4.0, -3.0], [-1.0, -7.0, -2.0]])
    found = classify(lambda index: bounds[:, index], np.array([1, 0, 2, 2]), 3)
    assert found == Classification(accuracy=0.75, images=4, draws=10)
