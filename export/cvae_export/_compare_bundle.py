"""Compare a bundle with the run that it was exported from."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cvae_runtime import InputError, read_bundle
from cvae_runtime.bundle import ModelInfo
from cvae_train import Checkpoint

from ._config import EXTRA_ROLES, ROLES, ROLES_OF_PRIOR
from ._graph import Graph
from ._progress import show_progress
from ._reference import Reference
from ._source import source_of_run
from ._verify import BUDGETS, Comparison, compare, runs_of


def compare_bundle(
    run: str | Path,
    bundle: str | Path,
    *,
    data: str | Path | None = None,
    checkpoint: Checkpoint | None = None,
    quiet: bool = False,
) -> list[Comparison]:
    """Compare every graph of a bundle with the trained model, as `export` does, on the run's whole test set.

    Args:
        run: the run folder that the bundle was exported from.
        bundle: the bundle's folder.
        data: the images that the run was trained on, if they have moved since.
        checkpoint: the weights that were exported, see `cvae_train.load_run`.
        quiet: show no progress.

    Returns:
        A comparison for each graph; ``all_pass`` of each says whether it agrees with the model.

    Raises:
        BundleError: the bundle is damaged.
        InputError: the bundle has another model than the run; the run is not finished, or its images are missing or
            have another fingerprint.

    Examples:
        >>> comparisons = cvae_export.compare_bundle("runs/0001", "my-model", quiet=True)
        >>> all(comparison.all_pass for comparison in comparisons)
        True
    """
    contents = read_bundle(bundle)
    source = source_of_run(run, data, checkpoint=checkpoint, quiet=quiet)
    if different := _differences(contents.manifest.model, source.info):
        expected, found = (", ".join(f"{name} {values[side]}" for name, values in different.items()) for side in (0, 1))
        raise InputError(
            f"{run}: expected the model of {contents.path}, which has {expected}; found {found}; "
            f"pass the run that was exported"
        )
    graphs = contents.manifest.graphs
    for info in graphs:
        if info.role not in (*ROLES, *ROLES_OF_PRIOR, *EXTRA_ROLES):
            raise InputError(
                f"{contents.path / info.file}: expected a role of cvae-export, found {info.role!r}; "
                f"check its golden vectors with cvae-verify"
            )
    comparisons = []
    with show_progress(len(graphs), quiet=quiet) as progress:
        reference = Reference(source)
        for info in graphs:
            progress(info.file, "comparing with the model")
            graph = Graph(info.role, info.target, info.precision, contents.files[info.file], info.passes)
            outputs, budget = reference.expected(info.role), BUDGETS[info.precision]
            comparisons.append(compare(graph, runs_of(graph), outputs, reference.elbos, budget))
    return comparisons


def _differences(expected: ModelInfo, found: ModelInfo) -> dict[str, tuple[Any, Any]]:
    """Return the fields that differ, by name: the expected and the found value."""
    mine, others = _flat(dataclasses.asdict(expected)), _flat(dataclasses.asdict(found))
    return {name: (mine[name], others[name]) for name in mine if mine[name] != others[name]}


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a mapping and of the mappings in it."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        flat |= _flat(value) if isinstance(value, Mapping) else {name: value}
    return flat
