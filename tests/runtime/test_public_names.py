"""The public names and their docstrings."""

import ast
import importlib
import importlib.metadata
import inspect
from pathlib import Path

import pytest

import cvae_runtime as cvae
import cvae_runtime.bundle
import cvae_runtime.random

PUBLIC = ("bundle", "elbo", "files", "images", "random", "sessions", "system", "web")
MODULES = {
    name: importlib.import_module(name) for name in ("cvae_runtime", *(f"cvae_runtime.{name}" for name in PUBLIC))
}


@pytest.mark.parametrize("name", MODULES)
def test_all_imports_are_public(name):
    tree = ast.parse(Path(MODULES[name].__file__).read_text())
    imported = [alias for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    names = [alias.asname or alias.name for alias in imported]
    assert sorted(name for name in names if name[0] != "_") == sorted(MODULES[name].__all__)


def test_public_modules():
    assert len(cvae.__all__) <= 27
    found = {path.stem for path in Path(cvae.__file__).parent.glob("*.py")} - {"__init__"}
    assert {name for name in found if not name.startswith("_")} == {"cli", "pyfunc", "ray", *PUBLIC}


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_methods_are_documented(module):
    classes = [thing for name in module.__all__ if inspect.isclass(thing := getattr(module, name))]
    methods = [(kind, method) for kind in classes for method in vars(kind).values() if inspect.isfunction(method)]
    assert [m for _, m in methods if not m.__name__.startswith("_") and not inspect.getdoc(m)] == []


def test_the_version_is_the_distribution_s(monkeypatch):
    assert cvae.__version__ == importlib.metadata.version("cvae-toolkit")
    monkeypatch.setattr(cvae, "_distribution_version", lambda _name: None)
    assert cvae.__version__ == "0+unknown"
    with pytest.raises(AttributeError, match="^module 'cvae_runtime' has no attribute 'generate'$"):
        _ = cvae.generate
