"""``--engine``: whether a job's parts are done by this process or by a Ray cluster."""

import dataclasses
import functools
from pathlib import Path

import click

from .._bundle import Precision
from .._jobs import ShardEngine
from .._model import Model
from ..cli import Decorated


def engine_options(function: Decorated) -> Decorated:
    """Add the options of engines, which the function takes by the names of `EngineChoice`'s fields."""
    for option in (
        click.option(
            "--workers", type=click.IntRange(1), help="Tasks of --engine ray at a time.  [default: all it has room for]"
        ),
        click.option(
            "--address",
            help="Of --engine ray: auto, HOST:PORT, ray://HOST:PORT.  [default: RAY_ADDRESS, else start one]",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help="Who does the work: this process, or the machines of a Ray cluster, which see the same files.",
        ),
    ):
        function = option(function)
    return function


@dataclasses.dataclass(frozen=True)
class EngineChoice:
    """Who is to do a job's parts, by the options' names."""

    engine: str
    address: str | None
    workers: int | None

    def check_engine(self, *, parts: bool, receipt: bool) -> None:
        """Raise `click.UsageError` for other options that contradict these."""
        if self.engine == "local":
            if self.address is not None or self.workers is not None:
                raise click.UsageError("--address and --workers are for --engine ray")
        elif not parts:
            raise click.UsageError("--engine ray needs shards: pass --shard-size")
        elif receipt:
            raise click.UsageError("--receipt describes this process: it is for --engine local")

    def engine_of(
        self, model: Model, bundle: Path | None, precision: Precision, threads: int | None, *, ordered: bool = False
    ) -> ShardEngine | None:
        """What does the parts; None for this process.

        Args:
            model: what was loaded here; the cluster's tasks take the same provider.
            bundle, precision, threads: what it was loaded by; a task of the cluster has one thread if not given.
            ordered: whether results must come in the parts' order.
        """
        if self.engine == "local":
            return None
        from .._cluster import on_cluster

        where = self.address, self.workers, bundle, model.provider, precision, threads or 1
        return functools.partial(on_cluster, *where, ordered=ordered)
