"""Imports of the runtime: NumPy, and nothing slow or of training."""

import json
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


@pytest.fixture
def modules_after(fresh_python):
    def modules_after(work, *arguments):
        result = fresh_python(REPORT.format(work=work), *arguments)
        assert result.returncode == 0, result.stderr
        return set(json.loads(result.stderr.splitlines()[-1]))

    return modules_after


def test_the_package_imports_only_numpy(modules_after):
    found = modules_after("import cvae_runtime")
    assert "numpy" in found
    assert found - sys.stdlib_module_names == {"cvae_runtime", "numpy"}


@pytest.mark.parametrize("script", ["doctor", "encode", "generate", "inspect", "verify", "web"])
@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_help_imports_no_heavy_packages(script, arguments, modules_after):
    found = modules_after(f"import cvae_runtime._commands.{script} as script; script.main()", *arguments)
    assert found - sys.stdlib_module_names == {"cvae_runtime", "numpy", "click"}


def test_a_model_imports_nothing_of_training_or_export(modules_after):
    work = "import cvae_runtime; cvae_runtime.encode_png(cvae_runtime.to_uint8(cvae_runtime.load().generate(1)[0]))"
    found = modules_after(work)
    assert {"onnxruntime", "PIL", "numpy", "cvae_runtime"} <= found
    assert found & {"tensorflow", "keras", "onnx", "tf2onnx", "torch", "cvae_train", "cvae_export"} == set()
