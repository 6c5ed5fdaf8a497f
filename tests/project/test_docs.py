"""The documents are true: their programs run, their links lead somewhere, the files they name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def python_blocks(document):
    return re.findall(r"^```python\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if python_blocks(path)], ids=lambda path: path.name)
def test_python_programs_run(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in python_blocks(document):
        exec(compile(block, str(document), "exec"), {"__name__": "document"})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("https://") or (document.parent / target).exists(), target


def test_the_file_map_names_files_that_are_there():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    folder, names = "", []
    for row in rows:
        for name in re.findall(r"`([^`]+)`", row):
            if "/" in name and not name.startswith("…") and name.endswith(".py"):
                folder = name.rsplit("/", 1)[0]
            names.append(name.replace("…", folder) if name.startswith("…") else name)
    assert len(names) > 30
    for name in names:
        paths = [ROOT / name, ROOT / folder / name, *(ROOT / "runtime/cvae_runtime").glob(name), *(ROOT / "train/cvae_train").glob(name), *(ROOT / "export/cvae_export").glob(name)]  # fmt: skip
        assert any(path.exists() for path in paths), name


def test_every_module_of_the_packages_is_in_the_file_map():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    quiet = {"__init__.py", "_errors.py", "_extras.py", "_check.py", "_cli.py", "_illustrate.py", "_progress.py", "_tensorflow.py"}  # fmt: skip
    for folder in ("runtime/cvae_runtime", "train/cvae_train", "export/cvae_export"):
        for path in (ROOT / folder).glob("*.py"):
            assert path.name in quiet or path.name in text, path
