"""Run the runtime's tests with the oldest allowed versions of its dependencies: python scripts/lowest.py FOLDER.

Creates a virtual environment in FOLDER with cvae-toolkit[cpu] and the lower bound of each dependency in
pyproject.toml, and prints the installed versions. Then runs those tests of the runtime that need no other extra. The
newest onnx makes their graphs. Exits with pytest's exit code.
"""

import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Requirements of the tests themselves, without further extras.
_TEST_TOOLS = ("pytest", "hypothesis", "jsonschema")
_FURTHER = re.compile(r"^\s*(import|from) (pyarrow|pandas|ray|openvino|safetensors|yaml)\b|\"cluster\"", re.MULTILINE)

# Uses ONNX Runtime for the packaged model in every role and for its golden vectors.
CHECK = """
import numpy as np
import cvae_runtime as cvae
with cvae.load(provider="cpu") as model:
    images = cvae.to_uint8(model.generate(40, seed=1))
    scores = model.score(images, samples=2)
    model.reconstruct(images, sample=True)
    assert np.isfinite(scores.elbo).all(), scores.elbo
results = cvae.check_golden(cvae.read_bundle())
assert all(result.agrees for result in results), results
print(len(results), "golden vectors agree")
"""


def lowest(requirements: list[str]) -> list[str]:
    """Pin requirements to their lower bounds.

    Raises:
        ValueError: a requirement has no lower bound.
    """
    pins = []
    for requirement in requirements:
        found = re.fullmatch(r"([A-Za-z0-9_.-]+)(\[[^]]*\])?>=([0-9.]+)", requirement.strip())
        if found is None:
            raise ValueError(f"{requirement}: expected NAME>=VERSION")
        pins.append(f"{found[1]}=={found[3]}")
    return pins


def main() -> None:
    """Create the environment and run the tests."""
    folder = Path(sys.argv[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["cpu"]]
    venv.create(folder, with_pip=True, clear=True)
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    python = str(binaries / "python")
    tools = [name for name in project["dependency-groups"]["test"] if name.split(">")[0] in _TEST_TOOLS]
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *lowest(runtime), *tools, "onnx"], check=True)
    subprocess.run([*install, "--no-deps", "--editable", str(ROOT)], check=True)
    subprocess.run([python, "-m", "pip", "freeze", "--exclude-editable"], check=True)
    subprocess.run([python, "-W", "error", "-c", CHECK], check=True)
    tests = sorted((ROOT / "tests" / "runtime").rglob("test_*.py"))
    files = [str(path) for path in tests if not _FURTHER.search(path.read_text())]
    sys.exit(
        subprocess.run([python, "-m", "pytest", "-q", "-k", "not parquet", *files], check=False, cwd=ROOT).returncode
    )


if __name__ == "__main__":
    main()
