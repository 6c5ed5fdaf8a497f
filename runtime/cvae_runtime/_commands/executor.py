"""``--executor``: run a job's tasks in this process or on a Ray cluster."""

import dataclasses
from pathlib import Path

import click

from .. import cli
from .._bundle import Precision
from .._jobs import Executor
from .._model import Model

EXECUTOR_OPTIONS = ("executor", "address", "workers")


# Add the options that choose an executor, named as the fields of `ExecutorChoice`.
executor_options = cli.add_options(
    click.option(
        "--executor",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Run in this process, or on the machines of a Ray cluster, which must share the files.",
    ),
    click.option(
        "--address",
        help="Address of the Ray cluster: auto, HOST:PORT or ray://HOST:PORT.  [default: RAY_ADDRESS, otherwise "
        "this machine's cluster, otherwise a new one]",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        help="Largest number of Ray tasks at a time.  [default: twice the number that the cluster can run]",
    ),
)


@dataclasses.dataclass(frozen=True)
class ExecutorChoice:
    """Options that choose the executor of a job."""

    executor: str
    address: str | None
    workers: int | None

    def check_executor(self, *, tasks: bool, receipt: bool) -> None:
        """Raise `click.UsageError` for options that contradict ``--executor``.

        Args:
            tasks: whether the job has several tasks.
            receipt: whether a receipt is written.
        """
        if self.executor == "local":
            if self.address is not None or self.workers is not None:
                raise click.UsageError("--address and --workers are for --executor ray")
        elif not tasks:
            raise click.UsageError("--executor ray needs shards: pass --shard-size")
        elif receipt:
            raise click.UsageError("--receipt describes this process: it is for --executor local")

    def make_executor(
        self, model: Model, bundle: Path | None, precision: Precision, threads: int | None, *, ordered: bool = False
    ) -> Executor | None:
        """Make the executor; None for this process.

        Args:
            model: the loaded model; tasks use the same provider.
            bundle, precision, threads: arguments it was loaded with; tasks have one thread if ``threads`` is None.
            ordered: whether results must come in the order of the tasks.
        """
        if self.executor == "local":
            return None
        from .._cluster import OnCluster

        return OnCluster(self.address, self.workers, bundle, model.provider, precision, threads or 1, ordered=ordered)
