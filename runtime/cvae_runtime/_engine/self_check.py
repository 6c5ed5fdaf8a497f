"""The self-check: compare a bundle's outputs on this machine with its golden vectors."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._bundle import Bundle, GoldenCase, parse_golden
from .._errors import BundleError
from .._math import prior_latents
from .providers import open_sessions


@dataclasses.dataclass(frozen=True)
class GoldenResult:
    """The comparison of one output of one graph with its golden vector.

    Attributes:
        file: the graph's file name, or "rng" for latents.
        output: name of the output.
        difference: largest absolute difference; of latents, in ulp.
        atol: the largest difference allowed.

    Examples:
        >>> result = bundle.check_golden(cvae.read_bundle())[0]
        >>> result.file, result.agrees
        ('encoder.onnx', True)
    """

    file: str
    output: str
    difference: float
    atol: float

    @property
    def agrees(self) -> bool:
        """Return whether the difference is within the tolerance."""
        return self.difference <= self.atol


def check_golden(bundle: Bundle, provider: str = "cpu", level: str | None = None) -> list[GoldenResult]:
    """Run a bundle's golden vectors on this machine, and compare the outputs.

    Args:
        bundle: the bundle, from `read_bundle`.
        provider: the execution provider, by name. Graphs for another provider, and absent graphs, are skipped.
        level: name of ONNX Runtime's optimization level, such as "ORT_DISABLE_ALL". Default: that of ONNX Runtime.

    Returns:
        A result for every output of every case, and for every set of latents, whose tolerance is 1 ulp.

    Raises:
        BundleError: the bundle lacks its vectors, or they do not fit its graphs.
        ProviderError: the provider is not installed or does not work.
        InputError: an unknown provider.
        MissingExtraError: ONNX Runtime is not installed.

    Examples:
        >>> all(result.agrees for result in cvae.check_golden(cvae.read_bundle()))
        True
    """
    info = bundle.manifest.golden
    source = str(bundle.path / info.file)
    if info.file in bundle.absent:
        raise BundleError(f"{source}: expected golden vectors, found no such file; get the whole bundle")
    golden = parse_golden(bundle.files[info.file], source)
    results = []
    sessions: dict[str, Any] = {}  # by graph, since several cases may use one
    others = {graph.file for graph in bundle.manifest.graphs if graph.target not in ("portable", provider)}
    skipped = others | bundle.absent
    for case in golden.cases:
        if case.file in skipped:
            continue
        _check_case(bundle, case, source)
        if case.file not in sessions:
            sessions[case.file] = _open(bundle, case.file, provider, level)
        outputs = _run_case(sessions[case.file], case, source)
        for (name, expected), found in zip(case.outputs.items(), outputs, strict=True):
            results.append(GoldenResult(case.file, name, _difference(found, expected, f"{source}: {name}"), case.atol))
    for latents in golden.rng:
        found = prior_latents(latents.seed, latents.first, latents.count, latents.latent_dim)
        name = f"seed {latents.seed}"
        difference = _difference(found, latents.z, f"{source}: {name}", np.spacing(np.abs(latents.z)))
        results.append(GoldenResult("rng", f"{name}, in ulp", difference, 1.0))
    return results


def _check_case(bundle: Bundle, case: GoldenCase, source: str) -> None:
    if case.file not in bundle.files or case.file == bundle.manifest.golden.file:
        raise BundleError(f"{source}: names the graph {case.file}, which the bundle does not have")
    if not case.outputs:  # ONNX Runtime would compute all outputs
        raise BundleError(f"{source}: a case of {case.file} has no outputs; export the bundle again")


def _open(bundle: Bundle, file: str, provider: str, level: str | None) -> Any:
    source = str(bundle.path / file)
    return open_sessions(lambda _: [bundle.files[file]], provider, level, sources_for=lambda _: [source]).sessions[0]


def _run_case(session: Any, case: GoldenCase, source: str) -> list[NDArray[Any]]:
    try:
        outputs: list[NDArray[Any]] = session.run(list(case.outputs), dict(case.inputs))
    except Exception as error:  # ONNX Runtime's exceptions have no other common base
        raise BundleError(f"{source}: the vectors do not fit {case.file}: {error}; export the bundle again") from error
    return outputs


def _difference(found: NDArray[Any], expected: NDArray[Any], name: str, unit: NDArray[Any] | float = 1.0) -> float:
    """Return the largest absolute difference, in multiples of ``unit``. float64 avoids overflow of uint8."""
    if found.shape != expected.shape:
        raise BundleError(
            f"{name}: expected values of shape {found.shape}, found {expected.shape}; export the bundle again"
        )
    return float((np.abs(found.astype(np.float64) - expected) / unit).max())
