"""MkDocs hook: the site has the layout of the repository, so every relative link works in both.

In addition to the pages of the navigation, the site gets the files that they link to, an API page for each package, and
the web page of the packaged model if it was built.
"""

import logging
import re
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "runtime" / "cvae_runtime" / "page"
IMPORTS = (
    "The examples import `cvae_runtime` as `cvae`, `numpy` as `np`, `Path` from `pathlib`, and the other modules of this "
    "reference by the last part of their names: `from cvae_runtime import images`."
)
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
log = logging.getLogger("mkdocs.hooks.site")


def on_config(config: MkDocsConfig) -> None:
    """Link the web page of the model if it was built."""
    if PAGE.is_dir():
        config.nav.insert(1, {"Try the model": "model/index.html"})
    else:
        log.info("The site has no web page of the model: install Node.js and run make page")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Collect the files of the site: those of the theme, and those of docs/ under their path in the repository."""
    found = Files([file for file in files if file.src_dir != config.docs_dir])

    def add(path: str, folder: Path = ROOT) -> None:
        if found.get_file_from_path(path) is None:
            found.append(File(path, str(folder), config.site_dir, config.use_directory_urls))
            if path.endswith(".md"):
                for link in LINK.findall((folder / path).read_text(encoding="utf-8")):
                    target = (ROOT / path).parent.joinpath(link).resolve()
                    if (target := readme(target)).is_file() and target.is_relative_to(ROOT):
                        add(target.relative_to(ROOT).as_posix())

    for path in re.findall(r"[\w/.-]+\.md\b", str(config.nav)):
        if path.startswith("api/"):
            name = PurePosixPath(path).stem
            found.append(File.generated(config, path, content=f"# {name}\n\n{IMPORTS}\n\n::: {name}\n"))
        else:
            add(path)
    if PAGE.is_dir():
        folder = Path(tempfile.mkdtemp())
        command = [Path(sys.executable).with_name("cvae-web"), folder / "model", "--quiet"]
        subprocess.run(command, check=True)
        for path in (folder / "model").rglob("*"):
            if path.is_file():
                add(path.relative_to(folder).as_posix(), folder)
    return found


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Redirect links to folders to their READMEs."""

    def link(match: re.Match[str]) -> str:
        target = (ROOT / page.file.src_uri).parent / match[1]
        return f"{match[1].rstrip('/')}/README.md" if target.is_dir() and readme(target).is_file() else match[1]

    return LINK.sub(link, markdown)


def readme(path: Path) -> Path:
    """The README of a folder; a file stays as it is."""
    return path / "README.md" if path.is_dir() else path
