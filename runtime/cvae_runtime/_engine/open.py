"""Open the graphs that a model runs: choose graphs, open and check sessions, choose engines."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from .._bundle import Bundle, GraphInfo, Precision, choose_graph
from .cpu import Engine
from .io_binding import BoundEngine
from .micro_batch import micro_batch_of
from .providers import Opened, Provider, open_sessions
from .scheduler import Scheduler
from .session import CheckedSession, check_session


@dataclasses.dataclass(frozen=True)
class Engines:
    """The open graphs of a model: encoder, decoder, learned prior and detector. A bundle may lack its encoder.

    Attributes:
        by_role: the engine of each role.
        graphs: the graph in use, by role.
        opened: the sessions, and their provider.
    """

    by_role: Mapping[str, Engine]
    graphs: Mapping[str, GraphInfo]
    opened: Opened

    @property
    def prior(self) -> Engine | None:
        """The engine that maps noise to draws of a learned prior; None if the prior is N(0, I)."""
        return self.by_role.get("prior")

    @property
    def micro_batches(self) -> dict[str, int]:
        """Most items in one call of a session, by role."""
        return {role: engine.micro_batch for role, engine in self.by_role.items()}


def open_engines(
    bundle: Bundle,
    scheduler: Scheduler,
    *,
    provider: Provider,
    precision: Precision,
    provider_options: Mapping[str, Any] | None = None,
    micro_batches: Mapping[str, int] | None = None,
) -> Engines:
    """Open a bundle's encoder and decoder, and its learned prior and detector if it has them.

    Args:
        bundle: the bundle.
        scheduler: the threads that the engines use.
        provider, precision, provider_options: as for `load`.
        micro_batches: sizes by role, which override the rule of `micro_batch_of`.

    Raises:
        BundleError, ProviderError, InputError: see `load`.
    """
    model = bundle.manifest.model
    roles = (*model.roles, *(() if bundle.manifest.detector is None else ("detector",)))

    def graphs_for(name: str) -> dict[str, GraphInfo]:
        chosen = {role: choose_graph(bundle.manifest, role, precision, name) for role in roles}
        return {role: graph for role, graph in chosen.items() if graph is not None}

    opened = open_sessions(
        lambda name: [bundle.files[graph.file] for graph in graphs_for(name).values()],
        provider,
        options=provider_options,
        sources_for=lambda name: [str(bundle.path / graph.file) for graph in graphs_for(name).values()],
    )
    scheduler.survives_fork = opened.provider == "cpu"
    graphs = graphs_for(opened.provider)

    def engine(session: Any, graph: GraphInfo) -> Engine:
        source = str(bundle.path / graph.file)
        check_session(session, graph, model, source)
        checked = CheckedSession(session, graph, opened.provider, source)
        size = (micro_batches or {}).get(graph.role) or micro_batch_of(
            graph.role, graph.precision, model, opened.provider
        )
        # The prior's arrays stay on the host, since latents are made there.
        if opened.provider in ("cuda", "tensorrt") and graph.role in ("encoder", "decoder"):
            return BoundEngine(checked, size, scheduler, device_id=int((provider_options or {}).get("device_id", 0)))
        return Engine(checked, size, scheduler)

    engines = map(engine, opened.sessions, graphs.values())
    return Engines(dict(zip(graphs, engines, strict=True)), graphs, opened)
