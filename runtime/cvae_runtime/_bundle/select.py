"""Choose a graph of a bundle by role, precision and provider."""

from collections.abc import Sequence

from .._errors import InputError
from .manifest_types import GraphInfo, Manifest, Precision


def choose_graph(manifest: Manifest, role: str, precision: Precision, provider: str) -> GraphInfo | None:
    """Choose a role's graph: at the precision if possible, otherwise float32; one made for the provider first.

    Args:
        manifest: the bundle's manifest.
        role: "encoder", "decoder" or another role of the bundle.
        precision: the preferred precision.
        provider: the execution provider, by name.

    Returns:
        The graph; None if the bundle lacks the role, which only bundles without their optional graphs do.

    Raises:
        InputError: no graph of the bundle has this precision.
    """
    precisions = sorted({graph.precision for graph in manifest.graphs})
    if precision not in precisions:
        found = ", ".join(precisions)
        raise InputError(f"precision {precision}: the bundle has graphs in {found}; choose one of them")
    for candidate in (precision, "float32"):
        graphs: Sequence[GraphInfo] = [g for g in manifest.graphs if (g.role, g.precision) == (role, candidate)]
        fitting = [graph for graph in graphs if graph.target in ("portable", provider)]
        if fitting:
            return min(fitting, key=lambda graph: graph.target == "portable")
    return None
