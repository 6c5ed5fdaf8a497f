"""Graph passes: rewrites of ONNX graphs that keep the outputs, one in each file.

A pipeline is a tuple of passes in the order in which they run.
"""

from collections.abc import Collection, Sequence

import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from ._bias_into_convolution import BiasIntoConvolution
from ._dense_as_gemm import DenseAsGemm
from ._dense_layout import DenseLayout
from ._explicit_splits import ExplicitSplits
from ._fold_constants import FoldConstants
from ._hoist_transposes import HoistTransposes
from ._output_phases import OutputPhases
from ._output_rows import OutputRows
from ._plain_col2im import PlainCol2Im
from ._product_output import ProductOutput
from ._rewrite import Writer, constant, only_user, sizes
from ._strided_output import StridedOutput
from ._sum_as_product import SumAsProduct
from ._symmetric_pads import SymmetricPads
from ._threshold_as_relus import ThresholdAsRelus

Pipeline = tuple[ir.passes.InPlacePass, ...]

# Less work for any runtime, and operators that more runtimes have.
LAYOUT: Pipeline = (
    FoldConstants(),
    HoistTransposes(),
    ThresholdAsRelus(),
    BiasIntoConvolution(),
    DenseLayout(),
    ExplicitSplits(),
)
# Plain operators, for every runtime.
PORTABLE: Pipeline = (*LAYOUT, SymmetricPads(), SumAsProduct())
# For ONNX Runtime's CPU provider in float32.
CPU: Pipeline = (*LAYOUT, OutputPhases(), StridedOutput())
# For 8 bits on the same provider: after LAYOUT, before values are rounded.
ROWS: Pipeline = (DenseAsGemm(), OutputRows(), ProductOutput())

CPU_OPSET = 18  # the first with Col2Im


def run_passes(model: ir.Model, passes: Sequence[ir.passes.InPlacePass]) -> list[str]:
    """Run passes on a model in place.

    Returns:
        The names of the passes that changed the model.
    """
    common_passes.ShapeInferencePass()(model)
    names = []
    for rewrite in passes:
        if rewrite(model).modified:
            common_passes.ShapeInferencePass()(model)
            names.append(type(rewrite).__name__)
    return names


def select_passes(pipeline: Pipeline, names: Collection[str]) -> Pipeline:
    """Return the passes of a pipeline with the given names."""
    return tuple(rewrite for rewrite in pipeline if type(rewrite).__name__ in names)


__all__ = [
    "CPU",
    "CPU_OPSET",
    "LAYOUT",
    "PORTABLE",
    "ROWS",
    "BiasIntoConvolution",
    "DenseAsGemm",
    "DenseLayout",
    "ExplicitSplits",
    "FoldConstants",
    "HoistTransposes",
    "OutputPhases",
    "OutputRows",
    "Pipeline",
    "PlainCol2Im",
    "ProductOutput",
    "StridedOutput",
    "SumAsProduct",
    "SymmetricPads",
    "ThresholdAsRelus",
    "Writer",
    "constant",
    "only_user",
    "run_passes",
    "select_passes",
    "sizes",
]
