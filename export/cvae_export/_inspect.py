"""Descriptions of bundles and graphs for embedders, as JSON values and as text.

TensorFlow is not needed. Without onnx, operators and parameters are missing; the manifest has all other facts.
"""

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cvae_runtime import Bundle, InputError, MissingExtraError
from cvae_runtime.files import parse_json, refuse_special
from cvae_runtime.system import printable_values, require

_QUANTIZATION = ("QuantizeLinear", "DequantizeLinear")

_FEED = {
    ("z", "float32"): "latents: standard normal draws for samples, or an encoder's means",
    ("noise", "float32"): "standard normal draws",
    ("seed", "uint32"): "seed of the sample stream: low word, high word",
    ("first", "int64"): "index of the first sample in the stream",
    ("count", "int64"): "number of samples",
    ("temperature", "float32"): "factor on the latents, 1 for the prior",
}


def inspect_bundle(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle's manifest, and what to feed, operators and parameters of each graph (null without onnx)."""
    report = {"bundle": str(bundle.path), **dataclasses.asdict(bundle.manifest)}
    for graph in report["graphs"]:
        graph["feed"] = _feed(graph["inputs"], report["model"]["preprocessing"])
        try:
            graph.update(_count(_parse(bundle.files[graph["file"]], graph["file"])))
        except MissingExtraError:
            graph.update(operators=None, parameters=None)
    return report


def inspect_file(path: Path) -> dict[str, Any]:
    """Return a description of an ONNX file, of a bundle or not.

    Raises:
        InputError: the file cannot be read, or is not an ONNX file.
        MissingExtraError: onnx is not installed.
    """
    refuse_special(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a bundle or an .onnx file: {error.strerror}") from error
    proto = _parse(data, str(path))

    from ._graph import tensor_info

    metadata = {entry.key: _value(entry.key, entry.value) for entry in proto.metadata_props}
    inputs, outputs = (
        [dataclasses.asdict(tensor_info(value)) for value in values]
        for values in (proto.graph.input, proto.graph.output)
    )
    return {
        "file": str(path),
        "bytes": len(data),
        "opset": next((entry.version for entry in proto.opset_import if entry.domain == ""), None),
        "ir_version": proto.ir_version,
        "inputs": inputs,
        "outputs": outputs,
        "feed": _feed(inputs, metadata.get("cvae.preprocessing")),
        **_count(proto),
        "metadata": metadata,
    }


def _parse(data: bytes, source: str) -> Any:
    onnx = require("onnx", "export")
    try:
        proto = onnx.load_from_string(data)
    except Exception as error:  # protobuf's exceptions differ from version to version
        raise InputError(f"{source}: not an ONNX file, or a damaged one: {error}") from error
    if not proto.graph.output:  # protobuf parses almost any bytes as an empty message
        raise InputError(f"{source}: not an ONNX file: expected a graph with outputs, found none")
    return proto


def _count(proto: Any) -> dict[str, Any]:
    """Count nodes by operator, and parameters: constants except scalars, shapes, indices, scales and zero points."""
    scales = {name for node in proto.graph.node if node.op_type in _QUANTIZATION for name in node.input[1:]}
    weights = [
        tensor
        for tensor in proto.graph.initializer
        if tensor.dims and tensor.data_type != tensor.INT64 and tensor.name not in scales
    ]
    names = Counter(".".join(filter(None, (node.domain, node.op_type))) for node in proto.graph.node)
    return {"operators": dict(sorted(names.items())), "parameters": sum(math.prod(tensor.dims) for tensor in weights)}


def _value(key: str, text: str) -> Any:
    """Parse metadata: keys of this project hold JSON, others hold text."""
    try:
        return parse_json(text) if key.startswith("cvae.") else text
    except ValueError:
        return text


def _feed(inputs: list[dict[str, Any]], preprocessing: Any) -> dict[str, str]:
    """Describe what to feed to each known input."""
    known = dict(_FEED)
    if isinstance(preprocessing, dict) and {"binarize_at", "scale"} <= set(preprocessing):
        at, scale = preprocessing["binarize_at"], preprocessing["scale"]
        inside = f"divided by {scale}" if at is None else f"{at} and above become 1, others 0,"
        known["images", "uint8"] = f"raw pixels 0 to 255, channels last; {inside} inside the graph"
        known["images", "float32"] = "pixels from 0 to 1, channels last; the graph does all other preprocessing"
    keys = [(tensor["name"], tensor["dtype"]) for tensor in inputs]
    return {name: known[name, dtype] for name, dtype in keys if (name, dtype) in known}


def describe(report: Mapping[str, Any]) -> str:
    """Format a report as text."""
    shown = printable_values(report)
    return "\n".join(_bundle_lines(shown) if "bundle" in shown else _file_lines(shown))


def with_error(mean: float, stderr: float | None) -> str:
    """Format a mean and its standard error; "-" without one."""
    return f"{mean:.2f} +- {'-' if stderr is None else f'{stderr:.2f}'}"


def _bundle_lines(report: Mapping[str, Any]) -> Iterator[str]:
    model, training, golden = report["model"], report["training"], report["golden"]
    yield f"{report['bundle']}: {_model(model)}"
    if training is None:
        yield "test ELBO      none: external models"
    else:
        elbo = f"{with_error(training['test_elbo'], training['test_elbo_stderr'])} nats per image"
        images = "one test image" if training["test_images"] == 1 else f"{training['test_images']:,} test images"
        yield f"test ELBO      {elbo}, over the {images} of {training['data']}"
    yield f"random         {model['rng']}"
    yield f"golden         {golden['file']}, {golden['bytes']:,} bytes"
    yield f"made by        {', '.join(f'{name} {version}' for name, version in report['versions'].items())}"
    for graph in report["graphs"]:
        yield ""
        yield f"{graph['file']}: {graph['role']}, {graph['target']}, {graph['precision']}"
        verified = graph["verified"]
        yield from _graph_lines(graph, verified["max_abs_difference"])
        yield f"  passes       {', '.join(graph['passes']) or 'none'}"
        yield f"  ELBO change  {_or_unknown(verified['elbo_change'], '{:+.1e} nats per image')}"
        yield f"  speed        {_or_unknown(verified['speed_ratio'], '{:.2f} times the plain graph')}"


def _file_lines(report: Mapping[str, Any]) -> Iterator[str]:
    yield report["file"]
    yield from _graph_lines(report, {})
    for key, value in report["metadata"].items():
        yield f"  {key:22} {value if isinstance(value, str) else json.dumps(value)}"


def _graph_lines(graph: Mapping[str, Any], differences: Mapping[str, float]) -> Iterator[str]:
    for kind in ("input", "output"):
        for tensor in graph[f"{kind}s"]:
            name = tensor["name"]
            difference = f"within {differences[name]:.1e} of the model's" if name in differences else ""
            note = graph["feed"].get(name, "") if kind == "input" else difference
            shape = f"[{', '.join(map(str, tensor['shape']))}]"
            yield f"  {kind:12} {name:12} {tensor['dtype']:8} {shape:20} {note}".rstrip()
    yield f"  size         {graph['bytes']:,} bytes, {_or_unknown(graph['parameters'], '{:,}')} parameters"
    yield f"  opset        {graph['opset']}, IR version {graph['ir_version']}"
    operators = graph["operators"]
    counts = (
        "unknown: pip install 'cvae-toolkit[export]'"
        if operators is None
        else ", ".join(name if count == 1 else f"{name} x{count}" for name, count in operators.items())
    )
    yield f"  operators    {counts}"


def _model(model: Mapping[str, Any]) -> str:
    height, width, channels = model["image_shape"]
    network = "" if model["architecture"] is None else f", {model['architecture']} network"
    latents = f"{model['latent_dim']} latents"
    return f"images {height}x{width}x{channels}, {latents}, likelihood {model['likelihood']}{network}"


def _or_unknown(value: float | None, template: str) -> str:
    return "not measured" if value is None else template.format(value)
