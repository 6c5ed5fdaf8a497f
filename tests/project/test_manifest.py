"""The types of a manifest are derived from its JSON Schema."""

import copy
import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "manifest.py"))
SCHEMA = json.loads(SCRIPT["SOURCE"].read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SCRIPT["FILES"], ids=lambda path: path.name)
def test_types_are_those_of_the_schema(path):
    assert path.read_text(encoding="utf-8") == SCRIPT["FILES"][path](SCHEMA), "run python scripts/manifest.py"


def test_an_optional_key_is_added_in_the_schema_alone():
    schema = copy.deepcopy(SCHEMA)
    labels = {"description": "names of the classes.", "type": "array", "items": {"type": "string"}}
    schema["$defs"]["ModelInfo"]["properties"]["labels"] = labels
    python, typescript = (types_of(schema) for types_of in SCRIPT["FILES"].values())
    assert "        labels: names of the classes.\n" in python
    assert "    labels: tuple[str, ...] | None = None\n" in python
    assert "  /** names of the classes. */\n  readonly labels?: readonly string[];\n" in typescript
    compile(python, "manifest_types.py", "exec")
