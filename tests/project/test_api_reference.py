"""Every public name has a docstring, and the examples in the API reference run."""

import ast
import contextlib
import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime as cvae

ROOT = Path(__file__).parents[2]
PUBLIC = ("bundle", "elbo", "files", "images", "random", "sessions", "system", "web")
MODULES = ("cvae_runtime", *(f"cvae_runtime.{name}" for name in PUBLIC), "cvae_train", "cvae_export")
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def documented(package):
    """The docstring of each class, function and variable at the top level of a package's modules, by name."""
    for path in ROOT.glob(f"*/{package}/**/*.py"):
        body = ast.parse(path.read_text()).body
        for node, following in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                yield node.name, ast.get_docstring(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                if isinstance(target, ast.Name) and is_text:
                    yield target.id, following.value.value


@pytest.mark.parametrize("module", MODULES)
def test_public_names_have_docstrings(module):
    imported = importlib.import_module(module)
    packages = ("cvae_runtime", module.partition(".")[0])
    found = {name: text for package in packages for name, text in documented(package) if text}
    assert [name for name in imported.__all__ if not hasattr(imported, name) or name not in found] == []


@pytest.fixture
def run_examples(tmp_path):
    """Return a function that runs the examples of a docstring, and returns their number and output of failures."""

    def run(text, name):
        test = doctest.DocTestParser().get_doctest(text, {"cvae": cvae, "np": np}, name, None, None)
        failures = []
        with contextlib.chdir(tmp_path):
            doctest.DocTestRunner(optionflags=FLAGS).run(test, out=failures.append)
        return len(test.examples), "".join(failures)

    return run


@pytest.mark.parametrize("name", cvae.__all__)
def test_examples_of_names_run(name, run_examples):
    count, failures = run_examples(dict(documented("cvae_runtime"))[name], name)
    assert (count > 0, failures) == (True, "")


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_of_modules_run(name, run_examples):
    count, failures = run_examples(importlib.import_module(f"cvae_runtime.{name}").__doc__, name)
    assert (count > 0, failures) == (True, "")
