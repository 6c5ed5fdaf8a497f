"""A model repository of NVIDIA Triton Inference Server: a model for each graph of a bundle.

The configuration is described at
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from .._bundle import MANIFEST_NAME, Bundle, GraphInfo, Manifest, TensorInfo
from .._errors import InputError

# The largest batch of which cvae-export compares the graphs with the trained model.
_LARGEST_BATCH = 256
_TYPES = {
    "bool": "TYPE_BOOL",
    **{f"{sign}int{bits}": f"TYPE_{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"TYPE_FP{bits}" for bits in (16, 32, 64)},
}


def triton_names(manifest: Manifest) -> Iterable[str]:
    """Return the paths of the files of a model repository."""
    for graph in manifest.graphs:
        folder = Path(graph.file).stem
        yield from (f"{folder}/config.pbtxt", f"{folder}/1/model.onnx")
    yield MANIFEST_NAME


def triton_files(bundle: Bundle) -> dict[str, bytes]:
    """Return the files of a model repository by path: a folder for each graph, and the manifest for clients."""
    files = {}
    for graph in bundle.manifest.graphs:
        folder = Path(graph.file).stem
        files[f"{folder}/config.pbtxt"] = _config(graph).encode()
        files[f"{folder}/1/model.onnx"] = bundle.files[graph.file]
    return {**files, MANIFEST_NAME: bundle.text}


def _config(graph: GraphInfo) -> str:
    """Return the configuration of a graph.

    Triton batches requests along the first axis of every input and output. A graph with another axis there, such as the
    scorer's draws, takes its full shapes and no more than one request at a time.
    """
    batched = all(tensor.shape[:1] == ("batch",) for tensor in (*graph.inputs, *graph.outputs))
    lines = ['backend: "onnxruntime"', f"max_batch_size: {_LARGEST_BATCH if batched else 0}"]
    for kind, tensors in (("input", graph.inputs), ("output", graph.outputs)):
        items = ",\n".join(_tensor(tensor, graph.file, batched=batched) for tensor in tensors)
        lines.append(f"{kind} [\n{items}\n]")
    if batched:
        lines.append("dynamic_batching { }")
    if graph.target == "cpu":
        lines.append("instance_group [\n  {\n    kind: KIND_CPU\n  }\n]")
    return "\n".join(lines) + "\n"


def _tensor(tensor: TensorInfo, file: str, *, batched: bool) -> str:
    if tensor.dtype not in _TYPES:
        raise InputError(
            f"{file}: {tensor.name}: expected one of {', '.join(_TYPES)}, found {tensor.dtype}; export the bundle again"
        )
    shape = tensor.shape[1:] if batched else tensor.shape
    dims = ", ".join("-1" if isinstance(size, str) else str(size) for size in shape)
    lines = [f"    name: {json.dumps(tensor.name)}", f"    data_type: {_TYPES[tensor.dtype]}"]
    # Triton has no empty shapes. With batches, a number for each item has one dimension more in Triton; without, the
    # backend makes scalars of single values.
    lines.append(f"    dims: [ {dims or 1} ]")
    if not shape and batched:
        lines.append("    reshape: { shape: [ ] }")
    return "  {\n" + "\n".join(lines) + "\n  }"
