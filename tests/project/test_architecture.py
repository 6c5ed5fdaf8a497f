"""The tree holds to its own rules: which package may import which, and how large a module may grow."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"cvae_runtime": "runtime", "cvae_train": "train", "cvae_export": "export"}
ARROWS = {"cvae_runtime": set(), "cvae_train": {"cvae_runtime"}, "cvae_export": {"cvae_train", "cvae_runtime"}}
MODULES = sorted(path for package, folder in PACKAGES.items() for path in (ROOT / folder / package).rglob("*.py"))
SCRIPTS = sorted((ROOT / "runtime" / "js" / "src").glob("*.ts"))


def imports(path):
    """Every module that a file imports, wherever in it, as (module, names)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module, tuple(alias.name for alias in node.names)


def package_of(path):
    return path.relative_to(ROOT).parts[1]


def test_there_are_modules_to_look_at():
    assert {package_of(path) for path in MODULES} == set(PACKAGES)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_between_packages_follow_the_arrows_and_take_public_names(path):
    own = package_of(path)
    for module, names in imports(path):
        top, _, rest = module.partition(".")
        if top in PACKAGES and top != own:
            assert top in ARROWS[own], f"{own} must not import {top}"
            assert not rest, f"{module} is private to {top}"
            assert not [name for name in names if name.startswith("_")]


def test_the_runtime_imports_only_its_base_dependencies():
    allowed = {"numpy", "PIL", "click", "cvae_runtime"}
    import sys

    for path in (ROOT / "runtime" / "cvae_runtime").rglob("*.py"):
        for module, _ in imports(path):
            top = module.split(".")[0]
            assert top in allowed or top in sys.stdlib_module_names, f"{path.name} imports {module}"


def test_no_folder_of_the_layout_is_a_package():
    for folder in PACKAGES.values():
        assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_small_and_documented(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert ast.get_docstring(ast.parse(text)), "a module says in its docstring what it is for"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_in_typescript_are_small_and_documented_too(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 300
    assert lines[0].startswith(("/**", "// Made by")), "a module says in its first comment what it is for"


def test_whoever_opens_a_session_names_the_format():
    # Else the first bytes of a file choose ONNX Runtime's own, whose graphs nobody has looked at.
    found = []
    for folder in ("runtime/cvae_runtime", "runtime/js/src", "export", "examples", "scripts"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".ts", ".js", ".hpp", ".cpp") and "node_modules" not in path.parts:
                text = path.read_text()
                if any(f"{name}(" in text for name in ("InferenceSession", "InferenceSession.create", "Ort::Session")):
                    found.append(path)
                    assert "load_model_format" in text, path
    assert len(found) >= 7
