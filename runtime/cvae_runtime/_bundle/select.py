"""Which of a bundle's graphs a model runs: by role, precision and provider."""

from collections.abc import Sequence

from .._errors import InputError
from .manifest import GraphInfo, Manifest, Precision


def choose_graph(manifest: Manifest, role: str, precision: Precision, provider: str) -> GraphInfo:
    """The graph for a role: at the precision if there is one, shaped for the provider if there is one.

    Raises:
        InputError: the bundle has no graph at the precision at all.
    """
    there = sorted({graph.precision for graph in manifest.graphs})
    if precision not in there:
        raise InputError(f"precision {precision}: the bundle has graphs in {', '.join(there)}; choose one of these")
    for wanted in (precision, "float32"):
        graphs: Sequence[GraphInfo] = [g for g in manifest.graphs if (g.role, g.precision) == (role, wanted)]
        fitting = [graph for graph in graphs if graph.target in ("portable", provider)]
        if fitting:
            return min(fitting, key=lambda graph: graph.target == "portable")
    raise AssertionError(f"a manifest without a float32 {role} is refused when it is read")
