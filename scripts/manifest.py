"""Derive the types of a manifest from its JSON Schema: python scripts/manifest.py writes both files in FILES.

``runtime/cvae_runtime/manifest.schema.json`` is the source. Run this script after a change of it.
"""

import json
import keyword
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "runtime" / "cvae_runtime" / "manifest.schema.json"
PYTHON = {"string": "str", "integer": "int", "number": "float", "null": "None"}
TYPESCRIPT = {"string": "string", "integer": "number", "number": "number", "null": "null"}
# Of the Python types: the docstrings' examples, doctests that tests/project/test_api_reference.py runs.
EXAMPLES = {
    "Background": (
        ">>> bundle.Background(sha256=cvae.read_bundle().sha256).sha256 == cvae.load().sha256",
        "True",
    ),
    "DerivedFile": (">>> [file.file for file in cvae.read_bundle().manifest.files]", "['golden.safetensors']"),
    "Detector": (">>> cvae.read_bundle().manifest.detector is None  # cvae-calibrate adds one", "True"),
    "FileInfo": (">>> cvae.read_bundle().manifest.golden.file", "'golden.json'"),
    "GraphInfo": (
        ">>> graph = cvae.read_bundle().manifest.graphs[0]",
        ">>> graph.file, graph.role, graph.precision",
        "('encoder.onnx', 'encoder', 'float32')",
    ),
    "ImageSet": (
        '>>> bundle.ImageSet(count=99, sha256=64 * "0").count',
        "99",
    ),
    "Manifest": (
        ">>> manifest = cvae.read_bundle().manifest",
        ">>> manifest.model.image_shape, sorted({graph.role for graph in manifest.graphs})",
        "((28, 28, 1), ['decoder', 'encoder', 'prior', 'prior_density'])",
    ),
    "ModelInfo": (
        ">>> model = cvae.read_bundle().manifest.model",
        ">>> model.latent_dim, model.decoder_outputs",
        "(40, ('probs',))",
    ),
    "Precision": (
        ">>> {graph.precision for graph in cvae.read_bundle().manifest.graphs}",
        "{'float32'}",
    ),
    "Preprocessing": (
        ">>> cvae.read_bundle().manifest.model.preprocessing",
        "Preprocessing(scale=255, binarize_at=128)",
    ),
    "Prior": (">>> cvae.read_bundle().manifest.model.prior", "'learned'"),
    "Target": (
        ">>> {graph.target for graph in cvae.read_bundle().manifest.graphs}",
        "{'portable'}",
    ),
    "TensorInfo": (
        ">>> cvae.read_bundle().manifest.graphs[0].inputs[0]",
        "TensorInfo(name='images', dtype='uint8', shape=('batch', 28, 28, 1))",
    ),
    "Training": (">>> cvae.read_bundle().manifest.training.test_images", "10000"),
    "Verified": (
        ">>> verified = cvae.read_bundle().manifest.graphs[0].verified",
        ">>> max(verified.max_abs_difference.values()) < 1e-4",
        "True",
    ),
}
BASES = {"ModelInfo": "(DescribesGraphs)", "Manifest": "(WritesJson)"}  # methods, in manifest_methods.py


def type_of(rule: dict[str, Any], definitions: dict[str, Any], python: bool) -> str:
    """Return the type of a schema, in Python or in TypeScript."""
    if "$ref" in rule:
        name = rule["$ref"].removeprefix("#/$defs/")
        target = definitions[name]
        return name if "properties" in target or "enum" in target else type_of(target, definitions, python)
    if "anyOf" in rule:
        # Python lists None last.
        choices = sorted(rule["anyOf"], key=lambda choice: choice.get("type") == "null")
        return " | ".join(type_of(choice, definitions, python) for choice in choices)
    if "const" in rule:
        return json.dumps(rule["const"])
    if rule["type"] == "array":
        item, size = type_of(rule["items"], definitions, python), rule.get("minItems")
        if python:
            return f"tuple[{', '.join([item] * size) if size else f'{item}, ...'}]"
        return (
            f"readonly [{', '.join([item] * size)}]" if size else f"readonly {f'({item})' if '|' in item else item}[]"
        )
    if rule["type"] == "object":
        value = rule.get("additionalProperties")
        inner = type_of(value, definitions, python) if value else "Any" if python else "unknown"
        return f"Mapping[str, {inner}]" if python else f"Readonly<Record<string, {inner}>>"
    return (PYTHON if python else TYPESCRIPT)[rule["type"]]


def python_types(schema: dict[str, Any]) -> str:
    """Return the text of ``manifest_types.py``."""
    text = (
        '"""The parts of a manifest. Made by scripts/manifest.py from manifest.schema.json; change the schema."""\n\n'
        "import dataclasses\nfrom collections.abc import Mapping\nfrom typing import Any, Literal\n\n"
        "from .manifest_methods import DescribesGraphs, WritesJson\n\n"
    )
    for name, rule in classes(schema):
        if "enum" in rule:
            values = ", ".join(map(json.dumps, rule["enum"]))
            text += f'{name} = Literal[{values}]\n"""{rule["description"]}\n{examples(name)}"""\n'
            continue
        documents, fields = "", ""
        # Optional fields have a default, so they are last.
        for key, field in sorted(rule["properties"].items(), key=lambda item: item[0] not in rule["required"]):
            if key != "format":  # a property of WritesJson
                kind = type_of(field, schema["$defs"], True)
                kind += "" if key in rule["required"] else " | None = None"
                name_of_field = f"{key}_" if keyword.iskeyword(key) else key
                documents += wrapped(f"{name_of_field}: {field['description']}") + "\n"
                fields += f"    {name_of_field}: {kind}\n"
        text += f"\n\n@dataclasses.dataclass(frozen=True)\nclass {name}{BASES.get(name, '')}:\n"
        text += f'    """{rule["description"]}\n\n    Attributes:\n{documents}{examples(name, 4)}"""\n\n{fields}'
    return text.replace("null", "None")


def typescript_types(schema: dict[str, Any]) -> str:
    """Return the text of ``manifest-types.ts``: the types, and the schema without its descriptions."""
    text = (
        "/** The parts of a manifest. Made by scripts/manifest.py from manifest.schema.json; change the schema. */\n\n"
    )
    text += 'import type { Schema } from "./schema.ts";\n'
    for name, rule in classes(schema):
        text += f"\n/** {rule['description']} */\n"
        if "enum" in rule:
            text += f"export const {name.upper()}S = {json.dumps(rule['enum'])} as const;\n"
            text += f"export type {name} = (typeof {name.upper()}S)[number];\n"
            continue
        text += f"export interface {name} {{\n"
        for key, field in rule["properties"].items():
            kind = type_of(field, schema["$defs"], False)
            text += f"  /** {field['description']} */\n"
            text += f"  readonly {key}{'' if key in rule['required'] else '?'}: {kind};\n"
        text += "}\n"
    return text + f"\nexport const MANIFEST_SCHEMA: Schema = {json.dumps(bare(schema))};\n"


def classes(schema: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the schemas that become named types, the manifest last."""
    named = [(name, rule) for name, rule in schema["$defs"].items() if "properties" in rule or "enum" in rule]
    return [*named, ("Manifest", schema)]


def bare(value: Any) -> Any:
    """Return a schema without its descriptions and comments."""
    if isinstance(value, dict):
        spoken = {"$schema", "$comment", "description"}
        return {key: bare(item) for key, item in value.items() if key not in spoken}
    return [bare(item) for item in value] if isinstance(value, list) else value


def examples(name: str, indent: int = 0) -> str:
    """Return the end of a docstring: a section with the examples of a type, up to the closing quotes."""
    section = "\n".join(["", "Examples:", *(f"    {line}" for line in EXAMPLES[name]), ""])
    return textwrap.indent(section, " " * indent) + " " * indent


def wrapped(text: str) -> str:
    """Wrap an attribute of a docstring."""
    return textwrap.fill(text, 120, initial_indent=" " * 8, subsequent_indent=" " * 12)


FILES = {
    ROOT / "runtime" / "cvae_runtime" / "_bundle" / "manifest_types.py": python_types,
    ROOT / "runtime" / "js" / "src" / "manifest-types.ts": typescript_types,
}

if __name__ == "__main__":
    for path, types_of in FILES.items():
        path.write_text(types_of(json.loads(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")
