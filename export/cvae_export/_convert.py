"""A TensorFlow function to an ONNX graph that is ready to be shipped."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
import tensorflow as tf
import tf2onnx
from onnx import version_converter

from cvae_runtime import CvaeError

from ._mends import HANDLERS, hushed, mend_short_kernels
from .passes import run_passes

BATCH = "batch"

_AXES = {"noise": ("samples", BATCH)}  # of inputs with others than the batch first

_COUNTER = re.compile(r"__\d+")

_TF2ONNX_NEWEST = 18  # the newest opset that it writes; beyond, onnx converts


class ConversionError(CvaeError):
    """A function that cannot be written as an ONNX graph of the opset asked for."""


def convert(function: tf.types.experimental.PolymorphicFunction, opset: int) -> onnx.ModelProto:
    """Convert a function with an explicit input signature, as tf2onnx does it.

    Args:
        function: takes tensors (None, ...), returns a dict of tensors (None, ...) by name.
        opset: of the ONNX graph.

    Raises:
        ConversionError: an operator is missing in the opset.
    """
    try:
        with hushed():
            proto, _ = tf2onnx.convert.from_function(
                function,
                input_signature=function.input_signature,
                opset=min(opset, _TF2ONNX_NEWEST),
                custom_op_handlers=HANDLERS,
            )
        mend_short_kernels(proto)
        return version_converter.convert_version(proto, opset) if opset > _TF2ONNX_NEWEST else proto
    except Exception as error:  # both raise nearly anything for what they cannot do
        raise ConversionError(f"cannot convert to opset {opset}: {error}; try another --opset") from error


def finish(
    proto: onnx.ModelProto,
    passes: Sequence[ir.passes.InPlacePass],
    outputs: Sequence[str],
    metadata: Mapping[str, Any],
) -> tuple[bytes, tuple[str, ...]]:
    """Run passes over a graph and make it ready to be shipped.

    Args:
        proto: what `convert` gave; it is left as it is.
        passes: rewrites to run on it.
        outputs: the names of the outputs in the order in which the graph is to list them.
        metadata: values for ``metadata_props``, stored as JSON.

    Returns:
        The ONNX file, and the names of the passes that changed it. First axes of any size are named "batch", the
        first of noise "samples".

    Raises:
        ConversionError: an operator is newer than the opset, or onnx's full checker refuses the result.
    """
    model = ir.from_proto(proto)
    applied = run_passes(model, passes)
    common_passes.RemoveUnusedNodesPass()(model)
    common_passes.RemoveUnusedOpsetsPass()(model)
    by_name = {value.name: value for value in model.graph.outputs}
    model.graph.outputs[:] = [by_name[name] for name in outputs]
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is not None:
            names = _AXES.get(str(value.name), (BATCH,))
            open_axes = zip(value.shape, names, strict=False)  # scalars have none, and a fixed size stays
            named = [size if isinstance(size, int) else name for size, name in open_axes]
            value.shape = ir.Shape([*named, *value.shape[len(named) :]])
    model.graph.name = str(metadata["cvae.role"])
    model.producer_name = "cvae-toolkit"
    model.metadata_props.update({key: json.dumps(value, allow_nan=False) for key, value in metadata.items()})
    finished = ir.to_proto(model)
    _number_anew(finished.graph)
    _refuse_newer_operators(finished)
    finished.ir_version = onnx.helper.find_min_ir_version_for(finished.opset_import)
    try:
        onnx.checker.check_model(finished, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        opset = finished.opset_import[0].version
        raise ConversionError(f"onnx's checker refuses the graph at opset {opset}: {error}") from error
    return finished.SerializeToString(deterministic=True), tuple(applied)


def _number_anew(graph: onnx.GraphProto) -> None:
    """Number what tf2onnx named by its counters in the graph's order: they count otherwise from one export to the next."""
    tensors = [*graph.initializer, *graph.value_info]
    sizes = [
        dimension
        for value in (*graph.input, *graph.output, *graph.value_info)
        for dimension in value.type.tensor_type.shape.dim
    ]
    found = [name for node in graph.node for name in (node.name, *node.input, *node.output)]
    found += [value.name for value in tensors] + [dimension.dim_param for dimension in sizes]
    kept = {value.name for value in (*graph.input, *graph.output)}
    counted = [name for name in dict.fromkeys(found) if name not in kept and _COUNTER.search(name)]
    names = {name: _COUNTER.sub(f"__{number}", name) for number, name in enumerate(counted)}
    for node in graph.node:
        node.name = names.get(node.name, node.name)
        for values in (node.input, node.output):
            values[:] = [names.get(name, name) for name in values]
    for value in tensors:
        value.name = names.get(value.name, value.name)
    for dimension in sizes:
        if dimension.dim_param in names:  # setting it would take the number's place
            dimension.dim_param = names[dimension.dim_param]


def _refuse_newer_operators(proto: onnx.ModelProto) -> None:
    """Raise `ConversionError` if a graph uses standard operators that came after its opset; it names their opsets."""
    opset = next(entry.version for entry in proto.opset_import if entry.domain == "")
    used = {node.op_type for node in proto.graph.node if node.domain == ""}
    first: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.name in used:
            first[schema.name] = min(schema.since_version, first.get(schema.name, schema.since_version))
    if newer := {name: version for name, version in sorted(first.items()) if version > opset}:
        needs = ", ".join(f"{name} (opset {version})" for name, version in newer.items())
        raise ConversionError(
            f"the graph is to be of opset {opset}, and uses operators that came later: {needs}; "
            f"say --opset {max(newer.values())}"
        )
