"""examples/pictures is what scripts/draw_pictures.py draws."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "examples/pictures"


def draw(folder, *arguments):
    command = [sys.executable, ROOT / "scripts/draw_pictures.py", folder, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


def pixels(folder):
    found = {}
    for path in folder.rglob("*.png"):
        with Image.open(path) as picture:
            assert (picture.format, picture.mode) == ("PNG", "RGB")
            found[path.relative_to(folder).as_posix()] = np.asarray(picture)
    return found


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return draw(folder), pixels(folder)


def test_the_script_draws_the_committed_pictures(drawn):
    committed = pixels(PICTURES)
    assert sorted(committed) == sorted(drawn[1])
    differences = [name for name, image in committed.items() if not np.array_equal(image, drawn[1][name])]
    assert differences == []


def test_the_pictures_are_small_and_in_three_classes():
    files = list(PICTURES.rglob("*.png"))
    assert sum(path.stat().st_size for path in files) < 1_000_000
    count = {name: len(list((PICTURES / name).iterdir())) for name in ("circles", "squares", "triangles")}
    assert count == {"circles": 100, "squares": 100, "triangles": 100}
    assert {image.shape for image in pixels(PICTURES).values()} == {(64, 64, 3)}


def test_no_two_pictures_are_equal(drawn):
    assert len({image.tobytes() for image in drawn[1].values()}) == 300


def test_the_readme_names_the_odd_pictures(drawn):
    named = re.findall(r"^\| `(\S+)` \|", (PICTURES / "README.md").read_text(), re.MULTILINE)
    assert drawn[0].stdout == f"odd: {' '.join(named)}\n"
    # The pixels of odd pictures differ more from their neighbours than those of any other picture.
    roughness = {name: float(np.abs(np.diff(image.astype(int), axis=1)).mean()) for name, image in drawn[1].items()}
    assert set(sorted(roughness, key=roughness.get)[-5:]) == set(named)


def test_count_size_and_seed(tmp_path):
    assert draw(tmp_path / "few", "--count", 12, "--size", 16, "--seed", 3).returncode == 0
    few = pixels(tmp_path / "few")
    assert {image.shape for image in few.values()} == {(16, 16, 3)}
    assert len(few) == 12
    # The set's size decides only which pictures are odd.
    assert draw(tmp_path / "more", "--count", 30, "--size", 16, "--seed", 3).returncode == 0
    more = pixels(tmp_path / "more")
    assert np.array_equal(few["circles/000.png"], more["circles/000.png"])
    assert draw(tmp_path / "other", "--count", 12, "--size", 16, "--seed", 4).returncode == 0
    assert not np.array_equal(few["circles/000.png"], pixels(tmp_path / "other")["circles/000.png"])


def test_too_few_pictures_are_an_error(tmp_path):
    result = draw(tmp_path / "few", "--count", 9)
    assert result.returncode == 2
    assert result.stderr.endswith("error: expected at least 10 pictures of at least 8 pixels a side\n")
    assert not (tmp_path / "few").exists()
