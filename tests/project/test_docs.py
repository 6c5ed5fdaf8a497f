"""Check the documents: their programs run, and their links and files exist."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image

from cvae_runtime._commands import encode as _cli_encode
from cvae_train import import_tensorflow

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
READMES = sorted([*ROOT.glob("examples/**/README.md"), ROOT / "runtime" / "js" / "README.md"])


def python_blocks(document):
    return re.findall(r"^```python\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


PROGRAMS = [path for path in DOCUMENTS if python_blocks(path) and path.name not in ("detecting.md", "encoding.md")]


@pytest.mark.parametrize("document", PROGRAMS, ids=lambda path: path.name)
def test_python_programs_run(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trackers = {name: MagicMock() for name in ("mlflow", "wandb")}  # used by the guides, not required by the project
    for name, tracker in trackers.items():
        monkeypatch.setitem(sys.modules, name, tracker)
    namespace = {"__name__": "document"}
    for block in python_blocks(document):
        exec(compile(block, str(document), "exec"), namespace)
    if "mlflow.log_metrics" in document.read_text():
        assert trackers["mlflow"].log_metrics.call_args.kwargs == {"step": 1}
        assert trackers["wandb"].log.call_args.kwargs == {"step": 1}
        assert trackers["wandb"].finish.called
        assert trackers["mlflow"].end_run.called


def test_encoding_guide_runs(tmp_path, monkeypatch, whole_console):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/encoding.md").read_text()
    namespace = {}
    for program, arguments in re.findall(
        r"^```(?:python\n(.*?)|\ncvae-encode (digits\.npy.*?)\n)^```", text, re.DOTALL | re.MULTILINE
    ):
        if arguments:
            code, out, _ = whole_console(_cli_encode.command, "cvae-encode", *arguments.split())
            assert (code, out.split("\t")[0]) == (0, "7")
        else:
            exec(compile(program, "encoding.md", "exec"), namespace)
    assert namespace["nearest"][0] == 0
    assert 7 in namespace["strange"]
    np.testing.assert_allclose(namespace["mean"][750:], namespace["scores"].posterior.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(namespace["elbo"][750:], namespace["scores"].elbo, rtol=1e-5)


def test_detecting_guide_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    text = (ROOT / "docs/detecting.md").read_text()
    sort, find = python_blocks(ROOT / "docs/detecting.md")
    exec(compile(sort, "detecting.md", "exec"), {})
    for command in ("cvae-train", "cvae-export", "cvae-calibrate"):
        line = re.search(rf"^{command} parts.*$", text, re.MULTILINE)[0]
        small = line.replace("--minutes 5", "--epochs 1 --image-size 16x16 --filters 4,8")
        name, *arguments = small.split()
        subprocess.run([Path(sys.executable).parent / name, *arguments, "-q"], check=True)
    namespace = {}
    exec(compile(find, "detecting.md", "exec"), namespace)
    assert len(namespace["detection"].p_value) == 5
    with Image.open("heat.png") as picture:
        assert picture.width > 16


def test_gallery_pictures_match_their_commands(tmp_path):
    command = [sys.executable, ROOT / "scripts/gallery.py", tmp_path]
    path = os.pathsep.join([str(ROOT / "runtime"), os.environ.get("PYTHONPATH", "")])
    subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=True)
    text = (ROOT / "docs/gallery.md").read_text()
    names = re.findall(r"^!\[.+\]\(images/(.+)\)$", text, re.MULTILINE)
    assert sorted(names) == sorted(path.name for path in (tmp_path / "images").iterdir())
    for name in names:
        with Image.open(ROOT / "docs/images" / name) as shown, Image.open(tmp_path / "images" / name) as drawn:
            assert getattr(shown, "n_frames", 1) == getattr(drawn, "n_frames", 1)
            assert shown.size == drawn.size
            levels = [np.asarray(picture.convert("L"), np.float64) for picture in (shown, drawn)]
        # Another machine may round grey levels differently and draw letters with other edges.
        assert np.abs(levels[0] - levels[1]).mean() < 0.5


def test_cluster_configuration_of_the_guide(monkeypatch):
    import_tensorflow()
    from cvae_train._loop.cluster import _read_tf_config

    configs = re.findall(r"TF_CONFIG='(\{.*?\}\})'", (ROOT / "docs/scaling.md").read_text(), re.DOTALL)
    found = []
    for config in configs:
        monkeypatch.setenv("TF_CONFIG", config.replace("'$JOB_COMPLETION_INDEX'", "1"))
        found.append(_read_tf_config())
    assert found == [(2, 0), (2, 1), (2, 1)]


def test_slurm_job_of_the_guide(tmp_path):
    script = re.search(r"```bash\n(.*?)```", (ROOT / "docs/scaling.md").read_text(), re.DOTALL)[1]
    fakes = {
        "srun": 'SLURM_PROCID=1 SLURM_JOB_NODELIST="node[1-2]" exec "$@"',
        "scontrol": 'test "$*" = "show hostnames node[1-2]" && printf "node1\nnode2\n"',
        "cvae-train": 'echo "$TF_CONFIG"; echo "$@"',
    }
    for name, body in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    out = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
    config, arguments = out.splitlines()
    assert json.loads(config) == {
        "cluster": {"worker": ["node1:2222", "node2:2222"]},
        "task": {"type": "worker", "index": 1},
    }
    assert arguments.startswith("/shared/pictures --image-size 64 ")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_name_their_extra(document):
    text = document.read_text()
    if re.search(r"^cvae-.*(\.parquet|--format parquet)", text, re.MULTILINE):
        assert re.search(r"cvae-toolkit\[[a-z,]*(parquet|ray)", text)  # Ray's data sets bring pyarrow


def anchors(document):
    """The anchors of a document's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", [*DOCUMENTS, *READMES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_have_targets(document):
    for target, anchor in re.findall(r"\]\((?!https://)([^)#\s]*)#?([^)\s]*)\)", document.read_text()):
        path = document.parent / target if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    pages = re.findall(r": (\S+\.md)$", navigation, re.MULTILINE)
    assert [page for page in pages if not (page.startswith("api/") or (ROOT / page).exists())] == []
    assert {path.relative_to(ROOT).as_posix() for path in DOCUMENTS} - set(pages) == set()
    packages = [path.parent.name for path in ROOT.glob("*/cvae_*/__init__.py")]
    public = re.findall(r"^\| `(\w+)` \| public: ", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    api = {page for page in pages if page.startswith("api/")}
    assert api == {f"api/{name}.md" for name in (*packages, *(f"cvae_runtime.{name}" for name in public))}


def test_file_map_names_existing_files():
    text = (ROOT / "ARCHITECTURE.md").read_text().split("## Everything else", 1)[1]
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    folder, names = "", []
    for row in rows:
        for name in re.findall(r"`([^`]+)`", row):
            if "/" in name and not name.startswith("…") and name.endswith((".py", ".ts")):
                folder = name.rsplit("/", 1)[0]
            paths = (f"{folder}/{name.removeprefix('…/')}", name)
            names.append(next((path for path in paths if (ROOT / path).exists()), name))
    assert len(names) > 30
    missing = [name for name in names if not (ROOT / name).exists()]
    assert missing == []


def test_file_map_is_complete():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    quiet = {"__init__.py", "_errors.py", "_cli.py"}
    for modules in ("export/cvae_export/*.py", "runtime/js/src/*.ts"):
        for path in ROOT.glob(modules):
            assert path.name in quiet or path.name in text, path
