"""Every public name has a docstring with an example, and the examples in the API reference run."""

import ast
import contextlib
import dataclasses
import doctest
import importlib
import inspect
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime._web import write as _web
from tests.judge_file import write_judge

ROOT = Path(__file__).parents[2]
PUBLIC = ("bundle", "elbo", "files", "images", "random", "ray", "sessions", "system", "web")
MODULES = ("cvae_runtime", *(f"cvae_runtime.{name}" for name in PUBLIC), "cvae_train", "cvae_export")
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL

# Ray warns about settings that it sets itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


def names_of(module):
    """The names in a module's `__all__`; the module is not imported, since it may need an optional package."""
    base = module.replace(".", "/")
    (path,) = [*ROOT.glob(f"*/{base}.py"), *ROOT.glob(f"*/{base}/__init__.py")]
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path} has no __all__")


NAMES = [(module, name) for module in MODULES for name in names_of(module)]


def documented_variables(package):
    """The docstring of each variable at the top level of a package's modules, by name."""
    for path in ROOT.glob(f"*/{package}/**/*.py"):
        body = ast.parse(path.read_text()).body
        for node, following in itertools.pairwise(body):
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(following, ast.Expr):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name) and isinstance(following.value, ast.Constant):
                    yield target.id, following.value.value


def docstring_of(module, name):
    """The docstring of a public class, function or variable; None without one."""
    value = getattr(imported(module), name)
    if inspect.isclass(value) or inspect.isroutine(value):
        return value.__doc__
    return dict(documented_variables(module.partition(".")[0])).get(name)


def imported(module):
    if module == "cvae_runtime.ray":
        pytest.importorskip("ray")
    return importlib.import_module(module)


@pytest.fixture(scope="module")
def trained(tiny_config, tiny_archive, tmp_path_factory):
    """A folder for the examples of cvae_train and cvae_export: images, a run of two epochs, and its bundle."""
    import cvae_export
    import cvae_train

    folder = tmp_path_factory.mktemp("examples")
    shutil.copy(tiny_archive, folder / "images.npz")
    config = dataclasses.replace(tiny_config, epochs=2)
    with contextlib.chdir(folder):
        cvae_train.train("images.npz", config, "runs/0001", quiet=True)
        cvae_export.export("runs/0001", "my-model", quiet=True)
    write_judge(folder / "judge.onnx")
    return folder


@pytest.fixture
def run_examples(tmp_path):
    """Return a function that runs the examples of a docstring, and returns the output of failures."""

    def run(text, name, **names):
        names |= {"cvae": cvae, "np": np, "Path": Path}
        test = doctest.DocTestParser().get_doctest(text, names, name, None, None)
        failures = []
        with contextlib.chdir(tmp_path):
            doctest.DocTestRunner(optionflags=FLAGS).run(test, out=failures.append)
        return "".join(failures)

    return run


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_examples_of_names_run(module, name, run_examples, tmp_path, request):
    text = docstring_of(module, name) or ""
    assert ">>> " in text
    if module in ("cvae_train", "cvae_export"):
        shutil.copytree(request.getfixturevalue("trained"), tmp_path, dirs_exist_ok=True)
    if module == "cvae_runtime.ray":
        request.getfixturevalue("cluster")
    if name in ("check_page", "write_page") and not (_web.PAGE / "single.html").is_file():
        pytest.skip("the web page is not built here: make page")
    modules = {path.rpartition(".")[2]: imported(path) for path in MODULES if not path.endswith(".ray")}
    assert run_examples(text, name, **modules) == ""


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "ray"])  # Ray's shows a cluster of machines
def test_examples_of_modules_run(name, run_examples):
    text = imported(f"cvae_runtime.{name}").__doc__
    assert ">>> " in text
    assert run_examples(text, name) == ""
