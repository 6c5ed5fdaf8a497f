"""``cvae-inspect``: describe a bundle or a graph for embedders, as text or JSON."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from .. import cli
from .._bundle import Bundle, describe_graph, read_bundle
from .._errors import InputError
from .._math import bits_per_dimension
from .._system import parse_json, printable_values, refuse_special

_FEED = {
    ("z", "float32"): "latents: draws of the prior for samples, or an encoder's means",
    ("noise", "float32"): "standard normal draws",
    ("seed", "uint32"): "seed of the sample stream: low word, high word",
    ("first", "int64"): "index of the first sample in the stream",
    ("count", "int64"): "number of samples",
    ("temperature", "float32"): "factor on the latents, 1 for the prior",
}


@click.command()
@click.argument("path", required=False, metavar="[BUNDLE|FILE.onnx]", type=click.Path(path_type=Path))
@cli.json_option
@cli.common_options
def command(path: Path | None, as_json: bool, **_: bool) -> None:
    """Describe a bundle or a single graph.

    Prints inputs and what to feed, outputs, sizes, parameters, operators, opset, ELBO, and what the export verified.
    The default is the packaged MNIST model.
    """
    report = inspect_bundle(read_bundle(path)) if path is None or path.is_dir() else inspect_file(path)
    if as_json:
        cli.print_json(report)
    else:
        print(describe(report))


def inspect_bundle(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle's manifest, and what to feed, operators and parameters of each graph."""
    report = {"bundle": str(bundle.path), **json.loads(bundle.manifest.to_json())}
    for graph in report["graphs"]:
        found = describe_graph(bundle.files[graph["file"]])
        graph["feed"] = _feed(graph["inputs"], report["model"]["preprocessing"], report["model"].get("labels"))
        graph |= {"operators": found.operators, "parameters": found.parameters}
    return report


def inspect_file(path: Path) -> dict[str, Any]:
    """Return a description of an ONNX file, of a bundle or not.

    Raises:
        InputError: the file cannot be read, or is not an ONNX file.
    """
    refuse_special(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a bundle or an .onnx file: {error.strerror}; name another file") from error
    try:
        report = dataclasses.asdict(describe_graph(data))
    except ValueError as error:
        raise InputError(f"{path}: not an ONNX file, or a damaged one: {error}; name another file") from error
    metadata = {key: _value(key, text) for key, text in report.pop("metadata").items()}
    feed = _feed(report["inputs"], metadata.get("cvae.preprocessing"), metadata.get("cvae.labels"))
    return {"file": str(path), "bytes": len(data), **report, "feed": feed, "metadata": metadata}


def _value(key: str, text: str) -> Any:
    """Parse metadata: keys of this project hold JSON, others hold text."""
    try:
        return parse_json(text) if key.startswith("cvae.") else text
    except ValueError:
        return text


def _feed(inputs: list[dict[str, Any]], preprocessing: Any, labels: Any) -> dict[str, str]:
    """Describe what to feed to each known input."""
    known = dict(_FEED)
    if isinstance(labels, list):
        known["label", "int64"] = f"index of the class, 0 to {len(labels) - 1}; {len(labels)} for no label"
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


def _bundle_lines(report: Mapping[str, Any]) -> Iterator[str]:
    model, training, golden = report["model"], report["training"], report["golden"]
    yield f"{report['bundle']}: {_model(model)}"
    if training is None:
        yield "test ELBO      none: external models"
    else:
        elbo = f"{cli.with_error(training['test_elbo'], training['test_elbo_stderr'])} nats per image"
        elbo += "" if "labels" not in model else " given the label"
        bits = bits_per_dimension(training["test_elbo"], model["likelihood"], model["image_shape"])
        elbo += "" if bits is None else f" ({bits:.3f} bits per dimension)"
        images = "one test image" if training["test_images"] == 1 else f"{training['test_images']:,} test images"
        yield f"test ELBO      {elbo}, over the {images} of {training['data']}"
        if {"epoch", "checkpoint"} <= set(training):
            yield f"weights        epoch {training['epoch']}, checkpoint {training['checkpoint']}"
    if "labels" in model:
        yield f"labels         {', '.join(model['labels'])}"
    if (detector := report.get("detector")) is not None:
        yield (
            f"detector       {detector['score']}, k = {detector['draws']}, calibrated on {detector['count']:,} images; "
            f"alarm if p <= {detector['false_alarms']:g}"
        )
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
    yield f"  size         {graph['bytes']:,} bytes, {graph['parameters']:,} parameters"
    yield f"  opset        {graph['opset']}, IR version {graph['ir_version']}"
    operators = (name if count == 1 else f"{name} x{count}" for name, count in graph["operators"].items())
    yield f"  operators    {', '.join(operators)}"


def _model(model: Mapping[str, Any]) -> str:
    height, width, channels = model["image_shape"]
    network = "" if "architecture" not in model else f", {model['architecture']} network"
    latents = f"{model['latent_dim']} latents"
    prior = "" if "prior" not in model else f", {model['prior']} prior"
    labels = "" if "labels" not in model else f", {len(model['labels']):,} classes"
    return f"images {height}x{width}x{channels}, {latents}, likelihood {model['likelihood']}{network}{prior}{labels}"


def _or_unknown(value: float | None, template: str) -> str:
    return "not measured" if value is None else template.format(value)


def main() -> None:
    """Entry point of ``cvae-inspect``."""
    cli.run(command)
