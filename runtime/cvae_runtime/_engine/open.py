"""Open a bundle's encoder, decoder and learned prior: choose graphs, open and check sessions, choose engines."""

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

_ROLES = ("encoder", "decoder")
_ROLES_OF_PRIOR = ("prior", "prior_density")


@dataclasses.dataclass(frozen=True)
class Engines:
    """The open encoder, decoder and learned prior of a model.

    Attributes:
        encoder, decoder: the engine of each role.
        prior, prior_density: the engines of a learned prior; None if the prior is N(0, I).
        graphs: the graph in use, by role.
        opened: the sessions, and their provider.
    """

    encoder: Engine
    decoder: Engine
    graphs: Mapping[str, GraphInfo]
    opened: Opened
    prior: Engine | None = None
    prior_density: Engine | None = None

    @property
    def micro_batches(self) -> dict[str, int]:
        """Most items in one call of a session, by role."""
        return {"encoder": self.encoder.micro_batch, "decoder": self.decoder.micro_batch}


def open_engines(
    bundle: Bundle,
    scheduler: Scheduler,
    *,
    provider: Provider,
    precision: Precision,
    provider_options: Mapping[str, Any] | None = None,
    micro_batches: Mapping[str, int] | None = None,
) -> Engines:
    """Open a bundle's encoder and decoder, and its learned prior if it has one.

    Args:
        bundle: the bundle.
        scheduler: the threads that the engines use.
        provider, precision, provider_options: as for `load`.
        micro_batches: sizes by role, which override the rule of `micro_batch_of`.

    Raises:
        BundleError, ProviderError, InputError: see `load`.
    """
    model = bundle.manifest.model
    roles = _ROLES if model.prior is None else (*_ROLES, *_ROLES_OF_PRIOR)

    def graphs_for(name: str) -> dict[str, GraphInfo]:
        return {role: choose_graph(bundle.manifest, role, precision, name) for role in roles}

    opened = open_sessions(
        lambda name: [bundle.files[graph.file] for graph in graphs_for(name).values()],
        provider,
        options=provider_options,
        sources_for=lambda name: [str(bundle.path / graph.file) for graph in graphs_for(name).values()],
    )
    scheduler.survives_fork = opened.provider == "cpu"
    graphs = graphs_for(opened.provider)

    def checked(session: Any, graph: GraphInfo) -> CheckedSession:
        source = str(bundle.path / graph.file)
        check_session(session, graph, model, source)
        return CheckedSession(session, graph, opened.provider, source)

    def engine(session: CheckedSession, graph: GraphInfo) -> Engine:
        size = (micro_batches or {}).get(graph.role) or micro_batch_of(
            graph.role, graph.precision, model, opened.provider
        )
        if opened.provider in ("cuda", "tensorrt"):
            return BoundEngine(session, size, scheduler, device_id=int((provider_options or {}).get("device_id", 0)))
        return Engine(session, size, scheduler)

    sessions = dict(zip(roles, map(checked, opened.sessions, graphs.values()), strict=True))
    encoder, decoder = (engine(sessions[role], graphs[role]) for role in _ROLES)
    # On a GPU, too, latents come from the host.
    of_prior = (Engine(sessions[role], decoder.micro_batch, scheduler) for role in roles[len(_ROLES) :])
    return Engines(encoder, decoder, graphs, opened, *of_prior)
