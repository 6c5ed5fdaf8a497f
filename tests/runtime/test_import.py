"""Imports of the runtime: NumPy, and nothing slow or of training."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cvae_runtime as cvae

PACKAGE = Path(cvae.__file__).parent
# Ignore modules that a site's start-up files imported.
REPORT = """
import json, sys
before = set(sys.modules)
try:
    {work}
finally:
    print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})), file=sys.stderr)
"""


def modules_after(work, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", REPORT.format(work=work), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stderr.splitlines()[-1]))


def test_the_package_imports_only_numpy():
    found = modules_after("import cvae_runtime")
    assert "numpy" in found
    assert found - sys.stdlib_module_names == {"cvae_runtime", "numpy"}


@pytest.mark.parametrize("script", ["doctor", "encode", "generate", "inspect", "verify", "web"])
@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_help_imports_no_heavy_packages(script, arguments):
    found = modules_after(f"import cvae_runtime._commands.{script} as script; script.main()", *arguments)
    assert found - sys.stdlib_module_names == {"cvae_runtime", "numpy", "click"}


def test_a_model_imports_nothing_of_training_or_export():
    work = "import cvae_runtime; cvae_runtime.encode_png(cvae_runtime.to_uint8(cvae_runtime.load().generate(1)[0]))"
    found = modules_after(work)
    assert {"onnxruntime", "PIL", "numpy", "cvae_runtime"} <= found
    assert found & {"tensorflow", "keras", "onnx", "tf2onnx", "torch", "cvae_train", "cvae_export"} == set()


def imports(path):
    """Return the top-level packages that a module imports, also inside its functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


def test_no_module_imports_more_than_the_base_dependencies():
    paths = sorted(PACKAGE.rglob("*.py"))
    assert len(paths) > 20
    found = {path.name: set(imports(path)) - sys.stdlib_module_names - {"numpy", "click", "PIL"} for path in paths}
    assert {name: packages for name, packages in found.items() if packages} == {}


def test_relative_imports_stay_in_the_package():
    for path in PACKAGE.rglob("*.py"):
        levels = [node.level for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        assert max(levels, default=0) <= len(path.relative_to(PACKAGE).parts), path.name
