"""The parts of the sets that scripts/fetch_sets.py divides."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/fetch_sets.py"


@pytest.fixture(scope="module")
def fetch_sets():
    spec = importlib.util.spec_from_file_location("fetch_sets", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_faces_are_divided_by_their_numbers(fetch_sets):
    parts = fetch_sets.divide_faces(np.arange(100))
    assert {name: len(numbers) for name, numbers in parts.items()} == {"train": 64, "val": 16, "test": 20}
    assert parts["test"][:3].tolist() == [4, 9, 14]
    assert parts["val"][:3].tolist() == [5, 11, 17]
    assert parts["train"][:6].tolist() == [0, 1, 2, 3, 6, 7]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(100))


def test_names_that_belong_together_are_in_one_part(fetch_sets, tmp_path):
    names = [f"1f9{number:02x}" for number in range(99)]
    parts = {name: fetch_sets._part(tmp_path, name).name for name in names}
    assert set(parts.values()) == {"train", "test"}
    for name in names:
        toned = fetch_sets.SKIN_TONE.sub("", f"{name}-1f3fd.png")
        assert fetch_sets._part(tmp_path, toned) == fetch_sets._part(tmp_path, f"{name}-.png")
