"""Rules of the source tree: which package and which room may import which, and how large a module may be."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"cvae_runtime": "runtime", "cvae_train": "train", "cvae_export": "export"}
ARROWS = {"cvae_runtime": set(), "cvae_train": {"cvae_runtime"}, "cvae_export": {"cvae_train", "cvae_runtime"}}
ROOMED = ("cvae_runtime", "cvae_train")
MODULES = sorted(path for package, folder in PACKAGES.items() for path in (ROOT / folder / package).rglob("*.py"))
SCRIPTS = sorted((ROOT / "runtime" / "js" / "src").glob("*.ts"))


def imports(path):
    """Every module that a file imports, at any level, as (module, names)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module, tuple(alias.name for alias in node.names)


def package_of(path):
    return path.relative_to(ROOT).parts[1]


def test_modules_are_found():
    assert {package_of(path) for path in MODULES} == set(PACKAGES)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_between_packages(path):
    own = package_of(path)
    for module, names in imports(path):
        top, _, rest = module.partition(".")
        if top in PACKAGES and top != own:
            assert top in ARROWS[own], f"{own} must not import {top}"
            assert not rest.startswith("_"), f"{module} is private to {top}"
            assert not [name for name in names if name.startswith("_")]


def drawn(package):
    """The rooms in ARCHITECTURE.md's table, from top to bottom: name -> the rooms that it imports."""
    text = (ROOT / "ARCHITECTURE.md").read_text().split(f"### Rooms of `{package}`", 1)[1].split("\n## ")[0]
    table = text.split("\n### ")[0]
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", table, re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", arrows)) for room, arrows in rows}


def crossings(package):
    """Every import between rooms of a package: (room, file, module path from its room on, names)."""
    base = ROOT / PACKAGES[package] / package
    for path in base.rglob("*.py"):
        parts = path.relative_to(base).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = parts[: len(parts) - node.level]
                target = (*folder, *(node.module.split(".") if node.module else ()))
                names = tuple(alias.name for alias in node.names)
                for module in [target] if target else [(name,) for name in names]:
                    if module[0] != parts[0]:
                        yield parts[0], path, module, names


@pytest.mark.parametrize("package", ROOMED)
def test_imports_between_rooms_are_drawn(package):
    base = ROOT / PACKAGES[package] / package
    found = {path.stem: set() for path in base.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    for room, _, module, _ in crossings(package):
        found[room].add(module[0])
    found.pop("__init__")
    assert found == drawn(package)


@pytest.mark.parametrize("package", ROOMED)
def test_rooms_import_only_rooms_below(package):
    order = list(drawn(package))
    for room, arrows in drawn(package).items():
        assert arrows <= set(order[order.index(room) + 1 :])


@pytest.mark.parametrize("package", ROOMED)
def test_rooms_import_public_names(package):
    base = ROOT / PACKAGES[package] / package
    for _, path, module, names in crossings(package):
        face = base / module[0] / "__init__.py"
        assert len(module) == 1, f"{path} reaches into {'.'.join(module)}"
        if face.is_file():
            public = next(
                (
                    {element.value for element in node.value.elts}
                    for node in ast.parse(face.read_text()).body
                    if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
                ),
                set(),
            )
            assert set(names) <= public, f"{path} imports a private name of {module[0]}"


@pytest.mark.parametrize("package", ROOMED)
def test_rooms_are_small(package):
    base = ROOT / PACKAGES[package] / package
    for folder in [base, *(path for path in base.iterdir() if path.is_dir())]:
        assert len(list(folder.glob("*.py"))) <= 20


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
def test_modules_are_documented(path):
    assert ast.get_docstring(ast.parse(path.read_text())), "a module says in its docstring what it is for"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_typescript_modules_are_documented(path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith(("/**", "// Made by")), "a module says in its first comment what it is for"


def test_the_packages_open_sessions_in_one_place():
    # Otherwise the export would verify and race graphs with other options than the runtime's.
    found = [path.relative_to(ROOT).as_posix() for path in MODULES if "InferenceSession(" in path.read_text()]
    # Files for other programs need sessions of other kinds: they write graphs, or read ONNX Runtime's own format.
    assert found == ["export/cvae_export/_other_formats.py", "runtime/cvae_runtime/_engine/providers.py"]


SOURCES = (".py", ".ts", ".js", ".h", ".hpp", ".cpp", ".rs", ".go")
OPENERS = (
    "InferenceSession",
    "InferenceSession.create",
    "Ort::Session session",
    "ort->CreateSession",
    "api, CreateSession",
)


def test_sessions_set_the_model_format():
    # Otherwise a file's first bytes can select ONNX Runtime's own format, whose graphs are not checked.
    found = []
    for folder in ("runtime/cvae_runtime", "runtime/js/src", "export", "examples", "scripts"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SOURCES and "node_modules" not in path.parts:
                text = path.read_text()
                if any(f"{name}(" in text for name in OPENERS):
                    found.append(path)
                    assert "load_model_format" in text, path
    assert len(found) >= 9
