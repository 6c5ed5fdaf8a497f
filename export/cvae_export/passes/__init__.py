"""Graph passes: rewrites of ONNX graphs that keep what they compute, one a file.

A pipeline is a visible tuple of passes, in the order in which they run.
"""

from collections.abc import Sequence

import onnx_ir as ir

from ._symmetric_pads import SymmetricPads

PORTABLE: tuple[ir.passes.InPlacePass, ...] = (SymmetricPads(),)


def run_passes(model: ir.Model, passes: Sequence[ir.passes.InPlacePass]) -> list[str]:
    """Run passes over a model in place.

    Returns:
        The names of those that changed something.
    """
    return [type(rewrite).__name__ for rewrite in passes if rewrite(model).modified]


__all__ = ["PORTABLE", "SymmetricPads", "run_passes"]
