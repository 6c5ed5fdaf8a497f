"""Convert a TensorFlow function to an ONNX graph for a bundle."""

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
from tf2onnx import optimizer, tf_loader
from tf2onnx.tfonnx import process_tf_graph

from cvae_runtime import CvaeError

from ._builder import BATCH
from ._graph import opset_of
from ._reasons import full_tracebacks, place_of, reason_of, scope_of
from ._tf2onnx_patches import HANDLERS, fix_float64, fix_short_kernels, inline_xla_functions, suppress_tf2onnx_log
from .passes import run_passes

_AXES = {("noise", 3): ("samples", BATCH)}  # of inputs whose first axis is not the batch, by name and rank

_COUNTER = re.compile(r"__\d+")

_TF2ONNX_NEWEST = 18  # newest opset that tf2onnx writes; onnx converts to newer ones

# All of tf2onnx's optimizers for plain graphs, in its order, except its merging of equal nodes: string hashes, which
# differ between processes, decide which of them it keeps. `finish` merges them instead.
_OPTIMIZERS = {
    each.__name__: each
    for each in (
        optimizer.TransposeOptimizer,
        optimizer.UpsampleOptimizer,
        optimizer.ConstFoldOptimizer,
        optimizer.ReshapeOptimizer,
        optimizer.GlobalPoolOptimizer,
        optimizer.IdentityOptimizer,
        optimizer.BackToBackOptimizer,
        optimizer.EinsumOptimizer,
    )
}

_REMEDY = "use another layer"
_REMEDIES = {"ScaleAndTranslate": "resize with interpolation 'bilinear' or 'bicubic', and without antialias"}


class ConversionError(CvaeError):
    """A function cannot be converted to an ONNX graph of the requested opset.

    Examples:
        >>> issubclass(cvae_export.ConversionError, cvae.CvaeError)
        True
    """


def convert(function: tf.types.experimental.PolymorphicFunction, opset: int) -> onnx.ModelProto:
    """Convert a function with an explicit input signature by tf2onnx.

    Args:
        function: takes tensors (None, ...), returns a dict of tensors (None, ...) by name.
        opset: of the ONNX graph.

    Raises:
        ConversionError: the function cannot be traced, has control flow, or has an operator that ONNX lacks.
    """
    concrete = _trace(function)
    try:
        with suppress_tf2onnx_log() as failures:
            proto = _run_tf2onnx(concrete, min(opset, _TF2ONNX_NEWEST))
        _check_operators(proto, failures)
        _check_signature(proto, [spec.name for spec in function.input_signature], list(concrete.structured_outputs))
        fix_short_kernels(proto)
        fix_float64(proto)
        return version_converter.convert_version(proto, opset) if opset > _TF2ONNX_NEWEST else proto
    except ConversionError:
        raise
    except Exception as error:  # both raise exceptions of many types
        raise ConversionError(
            f"cannot be converted to opset {opset}: {reason_of(error)}; try another --opset, or other layers"
        ) from error


def _trace(function: Any) -> Any:
    """Trace a function as a TensorFlow graph."""
    try:
        with full_tracebacks():
            return function.get_concrete_function(*function.input_signature)
    except CvaeError:
        raise
    except Exception as error:  # layers raise any exception
        raise ConversionError(
            f"cannot be traced as a graph: {place_of(error)}{reason_of(error)}; fix that layer, or leave it out"
        ) from error


def _run_tf2onnx(concrete: Any, opset: int) -> onnx.ModelProto:
    """Convert a traced function by tf2onnx; its variables and captured tensors become constants."""
    captured = {id(tensor) for _, tensor in concrete.graph.captures}
    inputs = [tensor.name for tensor in concrete.inputs if id(tensor) not in captured]
    outputs = [tensor.name for tensor in concrete.outputs]
    with tf.device("/cpu:0"):
        frozen = inline_xla_functions(tf_loader.from_function(concrete, inputs, outputs), inputs, outputs)
    with tf.device("/cpu:0"), tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        written = process_tf_graph(
            graph,
            continue_on_error=True,
            opset=opset,
            custom_op_handlers=dict(HANDLERS),
            input_names=inputs,
            output_names=outputs,
            tensors_to_rename=tf2onnx.convert.tensor_names_from_structed(concrete, inputs, outputs),
        )
    return optimizer.optimize_graph(written, optimizers=_OPTIMIZERS).make_model("")  # doc_string


def _check_operators(proto: onnx.ModelProto, failures: Sequence[BaseException]) -> None:
    """Raise for control flow, for operators that ONNX lacks, and for the first failure of a handler."""
    for node in proto.graph.node:
        where = f" in {scope}" if (scope := scope_of(node.name)) else ""
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise ConversionError(
                f"expected a plain graph without control flow, found {node.op_type}{where}; build recurrent "
                f"layers with unroll=True, and unroll other loops"
            )
        if node.domain in ("", "ai.onnx") and not onnx.defs.has(node.op_type):
            remedy = _REMEDIES.get(node.op_type, _REMEDY)
            raise ConversionError(f"expected operators that ONNX has, found {node.op_type}{where}; {remedy}")
    if failures:
        raise failures[0]


def _check_signature(proto: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Raise `ConversionError` if a graph's inputs or outputs are not those of its function."""
    for kind, names, values in (("inputs", inputs, proto.graph.input), ("outputs", outputs, proto.graph.output)):
        if (found := sorted(value.name for value in values)) != sorted(names):
            raise ConversionError(
                f"expected a graph with the {kind} {', '.join(sorted(names))}, found {', '.join(found) or 'none'}; "
                f"pass a model whose outputs depend on its input alone"
            )


def finish(
    proto: onnx.ModelProto,
    passes: Sequence[ir.passes.InPlacePass],
    outputs: Sequence[str],
    metadata: Mapping[str, Any],
) -> tuple[bytes, tuple[str, ...]]:
    """Run passes on a graph and write it as a file for a bundle.

    Args:
        proto: the result of `convert`; not modified.
        passes: rewrites to run on it.
        outputs: the names of the outputs, in the order of the file.
        metadata: values for ``metadata_props``, stored as JSON.

    Returns:
        The ONNX file, and the names of the passes that changed the graph. First axes of any size are named "batch";
        the first two axes of a scorer's noise are "samples" and "batch".

    Raises:
        ConversionError: an operator is newer than the opset, or onnx's full checker rejects the result.
    """
    model = ir.from_proto(proto)
    common_passes.CommonSubexpressionEliminationPass()(model)
    common_passes.DeduplicateInitializersPass()(model)
    applied = run_passes(model, passes)
    common_passes.RemoveUnusedNodesPass()(model)
    common_passes.RemoveUnusedOpsetsPass()(model)
    by_name = {value.name: value for value in model.graph.outputs}
    model.graph.outputs[:] = [by_name[name] for name in outputs]
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is not None:
            names = _AXES.get((str(value.name), len(value.shape)), (BATCH,))
            open_axes = zip(value.shape, names, strict=False)  # scalars have no axes; fixed sizes stay
            named = [size if isinstance(size, int) else name for size, name in open_axes]
            value.shape = ir.Shape([*named, *value.shape[len(named) :]])
    model.graph.name = str(metadata["cvae.role"])
    model.producer_name = "cvae-toolkit"
    model.metadata_props.update({key: json.dumps(value, allow_nan=False) for key, value in metadata.items()})
    finished = ir.to_proto(model)
    _sort_constants(finished.graph)
    _renumber(finished.graph)
    _check_opset(finished)
    finished.ir_version = onnx.helper.find_min_ir_version_for(finished.opset_import)
    try:
        onnx.checker.check_model(finished, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"onnx's checker rejects the graph at opset {opset_of(finished)}: {error}") from error
    return finished.SerializeToString(deterministic=True), tuple(applied)


def _sort_constants(graph: onnx.GraphProto) -> None:
    """Sort initializers and types of values by their first use, since tf2onnx's order differs between processes."""
    used = dict.fromkeys(name for node in graph.node for name in (*node.input, *node.output))
    order = {name: position for position, name in enumerate(used)}
    for values in (graph.initializer, graph.value_info):
        values.sort(key=lambda value: order.get(value.name, len(order)))


def _renumber(graph: onnx.GraphProto) -> None:
    """Renumber tf2onnx's names in the graph's order, since its counters differ from export to export."""
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
        if dimension.dim_param in names:  # assigning to dim_param would clear a fixed dim_value
            dimension.dim_param = names[dimension.dim_param]


def _check_opset(proto: onnx.ModelProto) -> None:
    """Raise `ConversionError` if a graph uses standard operators that are newer than its opset."""
    opset = opset_of(proto)
    used = {node.op_type for node in proto.graph.node if node.domain == ""}
    first: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.name in used:
            first[schema.name] = min(schema.since_version, first.get(schema.name, schema.since_version))
    if newer := {name: version for name, version in sorted(first.items()) if version > opset}:
        found = ", ".join(f"{name} (opset {version})" for name, version in newer.items())
        raise ConversionError(
            f"expected operators of opset {opset} or older, found {found}; pass --opset {max(newer.values())}"
        )
