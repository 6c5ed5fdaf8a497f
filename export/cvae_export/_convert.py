"""A TensorFlow function to an ONNX graph that is ready to be shipped."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
import tensorflow as tf
import tf2onnx
from onnx import version_converter

from cvae_runtime import CvaeError, InputError

from ._settings import OPSETS
from .passes import run_passes

BATCH = "batch"

_TF2ONNX_NEWEST = 18  # the newest opset that it writes; beyond, onnx converts


class ConversionError(CvaeError):
    """A function that cannot be written as an ONNX graph of the opset asked for."""


def check_opset(opset: int) -> None:
    """Raise `InputError` unless graphs of this opset can be written."""
    if opset not in OPSETS:
        raise InputError(f"opset must be {OPSETS.start} to {OPSETS.stop - 1}; found {opset}")


def to_onnx(
    function: tf.types.experimental.PolymorphicFunction,
    opset: int,
    passes: Sequence[ir.passes.InPlacePass],
    outputs: Sequence[str],
    metadata: Mapping[str, Any],
) -> tuple[bytes, list[str]]:
    """Convert a function with an explicit input signature.

    Args:
        function: takes tensors (None, ...), returns a dict of tensors (None, ...) by name.
        opset: of the ONNX graph.
        passes: rewrites to run on it.
        outputs: the names of the outputs in the order in which the graph is to list them.
        metadata: values for ``metadata_props``, stored as JSON.

    Returns:
        The ONNX file, and the names of the passes that changed it. Its first axes are named "batch".

    Raises:
        ConversionError: an operator is missing in the opset, or onnx's full checker refuses the result.
    """
    try:
        proto, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=min(opset, _TF2ONNX_NEWEST)
        )
        if opset > _TF2ONNX_NEWEST:
            proto = version_converter.convert_version(proto, opset)
    except Exception as error:  # both raise nearly anything for what they cannot do
        raise ConversionError(f"cannot convert to opset {opset}: {error}; try another --opset") from error
    model = ir.from_proto(proto)
    applied = run_passes(model, passes)
    common_passes.RemoveUnusedNodesPass()(model)
    common_passes.RemoveUnusedOpsetsPass()(model)
    by_name = {value.name: value for value in model.graph.outputs}
    model.graph.outputs[:] = [by_name[name] for name in outputs]
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is not None:
            value.shape = ir.Shape([BATCH, *value.shape[1:]])
    model.graph.name = str(metadata["cvae.role"])
    model.producer_name = "cvae-toolkit"
    model.metadata_props.update({key: json.dumps(value) for key, value in metadata.items()})
    proto = ir.to_proto(model)
    proto.ir_version = onnx.helper.find_min_ir_version_for(proto.opset_import)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"onnx's checker refuses the graph at opset {opset}: {error}") from error
    return proto.SerializeToString(deterministic=True), applied
