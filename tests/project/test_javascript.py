"""The `Model` of JavaScript has the methods of Python's, except for those that its README lists."""

import re
from pathlib import Path

import cvae_runtime as cvae

JS = Path(__file__).parents[2] / "runtime" / "js"


def python_methods():
    """Return the public methods of Python's `Model`, in camelCase."""
    # The checks of arguments are for the console scripts.
    names = [name for name in dir(cvae.Model) if not name.startswith(("_", "check_"))]
    names = [name for name in names if callable(getattr(cvae.Model, name))]
    return {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in names}


def javascript_methods():
    source = (JS / "src" / "model.ts").read_text(encoding="utf-8")
    source = source[source.index("export class Model {") :]
    source = source[: source.index("\n}\n")]
    return set(re.findall(r"^ {2}(?:async )?(\w+)\(", source, re.MULTILINE)) - {"constructor"}


def test_methods_of_both_models():
    listed = re.findall(r"^\| (Python|JavaScript) \| `(\w+)` \| ", (JS / "README.md").read_text(), re.MULTILINE)
    python, javascript = python_methods(), javascript_methods()
    assert {"rankDimensions", "traverse", "generate"} <= python & javascript
    assert python - javascript == {name for language, name in listed if language == "Python"}
    assert javascript - python == {name for language, name in listed if language == "JavaScript"}
