"""The workflows for GitHub and the hooks for commits run commands that exist."""

import fnmatch
import itertools
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from scripts import check_dist

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NPM = {"publish", "pkg", "pack", "install"}  # npm's own commands


def steps(workflow):
    return [(job, step) for job in WORKFLOWS[workflow]["jobs"].values() for step in job["steps"]]


def commands(workflow):
    """Every command: (its words, the folder that it runs in)."""
    for _, step in steps(workflow):
        for line in step.get("run", "").splitlines():
            yield shlex.split(line), ROOT / step.get("working-directory", ".")


def check_python(words):
    """A module of the test environment with paths, extras and groups that exist."""
    assert words[0] == "-m"
    module, *arguments = words[1:]
    assert module in {"pip", "pytest"}
    options = dict(itertools.pairwise(arguments))
    if module == "pytest":
        assert [path for path in arguments if not (ROOT / path).exists()] == []
    if "--group" in options:
        assert options["--group"] in PROJECT["dependency-groups"]
    if "--editable" in options:
        assert options["--editable"].removeprefix(".[").removesuffix("]") in PROJECT["project"]["optional-dependencies"]
    if "--constraint" in options:
        assert (ROOT / options["--constraint"]).is_file()


def check_make(words):
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split()
    assert [word for word in words if "=" not in word and word not in targets] == []
    for word in words:
        assert "=" not in word or re.search(rf"^{word.partition('=')[0]} \?=", makefile, re.MULTILINE)


def check_npm(words, folder):
    if words[0] in NPM:
        return
    scripts = json.loads((folder / "package.json").read_text())["scripts"]
    assert (words[1] if words[0] == "run" else words[0]) in scripts


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_commands_exist(workflow):
    found = list(commands(workflow))
    assert found
    for (program, *words), folder in found:
        assert folder.is_dir()
        if program == "make":
            check_make(words)
        elif program == "npm":
            check_npm(words, folder)
        elif program == "python":
            check_python(words)
        else:
            assert program == ".venv/bin/python"
            assert (ROOT / words[0]).is_file()


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_actions_are_pinned_and_rights_are_few(workflow):
    actions = [step["uses"] for _, step in steps(workflow) if "uses" in step]
    assert [name for name in actions if not re.fullmatch(r"[\w.-]+/[\w.-]+@(release/)?v\d+(\.\d+)*", name)] == []
    assert WORKFLOWS[workflow]["permissions"] == {"contents": "read"}
    text = (ROOT / ".github/workflows" / workflow).read_text()
    assert not re.search(r"secrets|registry|https?:", text)  # trusted publishing needs no token


def test_ci_runs_the_supported_pythons_on_three_systems():
    jobs = WORKFLOWS["ci.yml"]["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert matrix["python"] == jobs["windows"]["strategy"]["matrix"]["python"] == named
    assert (matrix["system"], jobs["windows"]["runs-on"]) == (["ubuntu", "macos"], "windows-latest")
    assert jobs["test"]["runs-on"] == "${{ matrix.system }}-latest"
    assert jobs["test"]["steps"][-1]["run"].split()[:2] == ["make", "test"]


def test_ci_runs_on_pushes_and_requests():
    events = WORKFLOWS["ci.yml"][True]  # YAML 1.1 reads the key `on` as true
    assert events == {"push": {"branches": ["main"]}, "pull_request": None, "workflow_dispatch": None}


def test_git_changes_no_line_ends():
    # Otherwise the hashes of bundles differ in a checkout on Windows.
    lines = (ROOT / ".gitattributes").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["* -text"]


def test_a_tag_publishes_what_was_attested_after_approval():
    release = WORKFLOWS["release.yml"]
    assert release[True] == {"push": {"tags": ["v*"]}}
    build = release["jobs"].pop("build")
    assert build["permissions"] == {"contents": "read", "id-token": "write", "attestations": "write"}
    actions = {step["uses"].partition("@")[0]: step for step in build["steps"] if "uses" in step}
    attested = actions["actions/attest-build-provenance"]["with"]["subject-path"]
    version = check_dist.versions()["pyproject.toml"]
    files = [
        f"dist/{name}{suffix}"
        for name, suffix in (
            (f"cvae_toolkit-{version}", "-py3-none-any.whl"),
            (f"cvae_toolkit-{version}", ".tar.gz"),
            (f"cvae-runtime-{version}", ".tgz"),
        )
    ]
    assert fnmatch.filter(files, attested) == files
    uploads = [step["with"] for step in build["steps"] if step.get("uses", "").startswith("actions/upload-artifact@")]
    patterns = {upload["name"]: upload["path"].split() for upload in uploads}
    uploaded = {
        name: {file for file in files for one in paths if fnmatch.fnmatch(file, one)}
        for name, paths in patterns.items()
    }
    assert uploaded == {"python": set(files[:2]), "npm": set(files[2:])}

    jobs = release["jobs"]
    assert set(jobs) == {"pypi", "npm"}
    for name, job in jobs.items():
        assert (job["needs"], job["environment"], job["permissions"]) == ("build", name, {"id-token": "write"})
    assert jobs["pypi"]["steps"][0]["with"] == {"name": "python", "path": "dist"}
    assert jobs["npm"]["steps"][0]["with"] == {"name": "npm", "path": "dist"}


def test_hooks_need_no_network_and_exist():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert list(hooks) == ["ruff-format", "ruff-check", "prose"]
    for hook in hooks.values():
        program, *arguments = hook["entry"].split()
        assert hook["language"] == "system"  # pre-commit would install anything else
        assert program.startswith(".venv/bin/")
        assert (Path(sys.executable).parent / Path(program).name).is_file()
        assert [name for name in arguments if name.endswith(".py") and not (ROOT / name).is_file()] == []
    makefile = (ROOT / "Makefile").read_text()
    for command in ("ruff format", "ruff check", "python scripts/prose.py"):
        assert f"$(BIN)/{command}" in makefile  # `make lint` runs the same
