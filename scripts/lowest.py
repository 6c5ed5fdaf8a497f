"""Run the runtime's tests with the oldest versions that its dependencies' bounds allow: python scripts/lowest.py FOLDER.

Makes a virtual environment in FOLDER, with cvae-toolkit[cpu], and each of its dependencies at the lower bound that
pyproject.toml states; prints what is installed; runs the runtime's tests that need
no further extra, with the newest onnx, which makes their graphs. Exits with pytest's code.
"""

import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What the tests themselves need; those of further extras are left out.
_TEST_TOOLS = ("pytest", "hypothesis", "jsonschema")
_FURTHER = re.compile(r"^\s*(import|from) (pyarrow|pandas|ray|openvino)\b", re.MULTILINE)

# The packaged model in every role, its golden vectors, and a command line: what needs ONNX Runtime.
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
    """Requirements with their lower bounds as pins.

    Raises:
        ValueError: one has no lower bound.
    """
    pins = []
    for requirement in requirements:
        found = re.fullmatch(r"([A-Za-z0-9_.-]+)(\[[^]]*\])?>=([0-9.]+)", requirement.strip())
        if found is None:
            raise ValueError(f"{requirement}: expected NAME>=VERSION")
        pins.append(f"{found[1]}=={found[3]}")
    return pins


def main() -> None:
    """Make the environment and run the tests."""
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
    tests = sorted((ROOT / "tests" / "runtime").glob("test_*.py"))
    files = [str(path) for path in tests if not _FURTHER.search(path.read_text())]
    sys.exit(
        subprocess.run([python, "-m", "pytest", "-q", "-k", "not parquet", *files], check=False, cwd=ROOT).returncode
    )


if __name__ == "__main__":
    main()
