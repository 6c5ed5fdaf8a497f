"""Every example is in the index, describes its use, and names only existing files."""

import re

import pytest

from tests.examples.conftest import EXAMPLES

FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
READMES = [EXAMPLES / "README.md", *(folder / "README.md" for folder in FOLDERS)]


def test_index_is_complete():
    links = re.findall(r"^\| \[(\w+)\]\((\w+)/README\.md\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(links) == [(folder.name, folder.name) for folder in FOLDERS]
    assert len(links) == 11


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_links_have_targets(readme):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", readme.read_text()):
        assert target.startswith("https://") or (readme.parent / target).exists(), target


def test_all_settings_are_documented(service):
    text = (EXAMPLES / "fastapi_service/README.md").read_text()
    told = re.findall(r"`(CVAE_\w+)`", text.split("| variable |")[1].split("\n\n")[0])
    assert told == [f"CVAE_{name.upper()}" for name in vars(service.Settings())]
    for name, default in re.findall(r"^\| `(CVAE_MAX_\w+)` \| (\d+) \|", text, re.MULTILINE):
        assert getattr(service.Settings(), name.removeprefix("CVAE_").lower()) == int(default)
