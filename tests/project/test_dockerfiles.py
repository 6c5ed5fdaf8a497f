"""The Dockerfiles: what they copy and install, and their steps, run in an empty environment instead of an image."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check_dist

ROOT = Path(__file__).parents[2]
DOCKERFILES = ("Dockerfile", "Dockerfile.train")
EXTRAS = {"Dockerfile": "cpu", "Dockerfile.train": "export"}
LIMIT = 125_000_000  # bytes that the environment adds to the base image, whose size is about 120 MB


def stages(name):
    """The instructions of a Dockerfile, stage by stage: (instruction, argument)."""
    text = re.sub(r"^#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    instructions = [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]
    starts = [index for index, (verb, _) in enumerate(instructions) if verb == "FROM"]
    ends = [*starts[1:], len(instructions)]
    arguments = instructions[: starts[0]]
    return arguments, [instructions[start:end] for start, end in zip(starts, ends, strict=True)]


def values(stage, verb):
    return [argument for name, argument in stage if name == verb]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_base_is_a_supported_python(name):
    arguments, (build, final) = stages(name)
    assert build[0] == ("FROM", "python:${PYTHON}-slim AS build")
    assert final[0] == ("FROM", "python:${PYTHON}-slim")
    [(verb, argument)] = arguments
    variable, _, python = argument.partition("=")
    assert (verb, variable) == ("ARG", "PYTHON")
    assert f'"Programming Language :: Python :: {python}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_final_stage_has_a_user_and_no_installer(name):
    _, (build, final) = stages(name)
    assert values(final, "COPY") == ["--from=build $CVAE $CVAE"]  # no wheel, no constraints
    assert values(final, "ARG") == values(build, "ARG") == ["CVAE=/opt/cvae"]
    [user] = values(final, "USER")
    assert f"useradd --create-home --uid {user} " in values(final, "RUN")[0]
    assert int(user) > 0  # a number: Kubernetes cannot see that a name is not root
    verbs = [verb for verb, _ in final]
    assert set(verbs[verbs.index("USER") :]) <= {"USER", "WORKDIR", "CMD"}
    assert "pip uninstall" in values(final, "RUN")[0]
    assert not re.search(r"apt-get|curl|wget|pip install|https?:", (ROOT / name).read_text())
    assert "--without-pip" in values(build, "RUN")[0]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_versions_are_those_of_the_constraints(name):
    _, (build, _) = stages(name)
    assert "==" not in (ROOT / name).read_text()
    assert f'--constraint constraints.txt "$(echo *.whl)[{EXTRAS[name]}]"' in values(build, "RUN")[0]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_copied_files_exist_and_are_sent_to_docker(name):
    _, (build, _) = stages(name)
    [copied] = values(build, "COPY")
    *sources, target = copied.split()
    assert target == "./"
    version = check_dist.versions()["pyproject.toml"]
    written = [f"dist/cvae_toolkit-{version}-py3-none-any.whl"]  # by `make dist`, which removes older ones
    for source in sources:
        assert (ROOT / source).is_file() or fnmatch.filter(written, source) == written
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines == ["*", *(f"!{source}" for source in sources)]


def shell(script, folder, **environment):
    environment = {**os.environ, **environment}
    result = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the steps remove files of the packages for Linux")
def test_steps_of_the_runtime_image(built, tmp_path):
    _, (build, final) = stages("Dockerfile")
    folder, environment = tmp_path / "build", tmp_path / "cvae"
    folder.mkdir()
    for path in (ROOT / "constraints.txt", built[0]):
        shutil.copy(path, folder)
    python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for script in values(build, "RUN"):
        shell(script, folder, CVAE=str(environment), PATH=python)

    # The first step of the final stage changes the system: it removes pip and adds a user.
    _, *checks = values(final, "RUN")
    assert checks == ["cvae-verify"]
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    assert "FAILS" not in shell(*checks, tmp_path, PATH=path)
    shell("cvae-generate -n 3 -o samples.png && cvae-encode samples.png --resize -o codes.npz", tmp_path, PATH=path)
    found = shell("cvae-doctor", tmp_path, PATH=path)
    assert "\ncpu           works, golden vectors differ" in found

    files = [path for path in environment.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < LIMIT
    assert {"pip", "setuptools", "wheel", "tensorflow"} & {path.name for path in environment.rglob("*")} == set()
