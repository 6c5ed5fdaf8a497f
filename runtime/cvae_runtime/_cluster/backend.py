"""``--executor ray``: run the tasks of a job on a Ray cluster."""

import contextlib
import dataclasses
import itertools
import logging
import os
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .._bundle import Precision
from .._errors import CvaeError, InputError
from .._model import Model
from .model import RemoteModel, ray

Task = TypeVar("Task")
Result = TypeVar("Result")

_RETRIES = 10  # of a task whose worker or machine dies; the limit stops a task that kills every worker
_ANSWER = 10.0  # seconds to wait for a cluster's head
_LEAVE = 3.0  # seconds to wait for cancelled tasks; Ray ends their processes then


@contextlib.contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Connect to a cluster for a block; an existing connection of the process is used as it is.

    Args:
        address: "auto" for the cluster that this machine is part of, HOST:PORT of a cluster's head, or
            ray://HOST:PORT for a client. Default: RAY_ADDRESS, otherwise the cluster that this machine is part of,
            otherwise a new cluster of this machine alone.

    Raises:
        InputError: there is no cluster at the address.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry to Ray's developers
    try:
        if address not in (None, "auto"):
            check_reachable(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"no Ray cluster{f' at {address}' if address else ''}: {' '.join(str(error).split())}; "
            f"start one with: ray start --head"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def check_reachable(address: str) -> None:
    """Raise `OSError` or `ValueError` if nothing listens at an address: Ray would retry for minutes, then exit."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    socket.create_connection((host, int(port)), _ANSWER).close()


@dataclasses.dataclass(frozen=True)
class OnCluster:
    """`Executor` that runs each task as a task of Ray, on any machine with free cores.

    Attributes:
        address: address of the cluster; see `_cluster`.
        workers: largest number of tasks at a time; default: twice the number that the cluster can run.
        bundle, provider, precision, threads: arguments of the tasks' model; a task takes ``threads`` cores.
        ordered: yield results in the order of the tasks, not of their completion.

    Calling it raises `InputError` if there is no cluster at the address, an error of the work, or `CvaeError` if Ray
    gave up on a task.
    """

    address: str | None
    workers: int | None
    bundle: Path | None
    provider: str
    precision: Precision
    threads: int
    ordered: bool = False

    def __call__(
        self, work: Callable[[Model, Task], Result], tasks: Sequence[Task]
    ) -> Generator[tuple[Task, Result], None, None]:
        """Run the tasks."""
        with _cluster(self.address):
            remote = RemoteModel.put(self.bundle, self.provider, self.precision, self.threads)
            start = ray.remote(max_retries=_RETRIES, **remote.resources)(_do).remote
            waiting = iter(tasks)
            running: dict[Any, Task] = {}
            try:
                while True:
                    for task in itertools.islice(waiting, max(0, (self.workers or self._room()) - len(running))):
                        running[start(remote, work, task)] = task
                    if not running:
                        return
                    (done, *_), _ = ray.wait(list(running)[: 1 if self.ordered else None], num_returns=1)
                    task = running.pop(done)
                    yield task, _result(done, task)
            finally:
                for left in running:
                    ray.cancel(left)
                ray.wait(list(running), num_returns=len(running), timeout=_LEAVE)

    def _room(self) -> int:
        """Twice the number of tasks that the cluster can run now, so that its machines always have a task queued."""
        return 2 * max(1, int(ray.cluster_resources().get("CPU", 0)) // self.threads)


def _do(remote: RemoteModel, work: Callable[[Model, Task], Result], task: Task) -> Result:
    return work(remote.load(), task)


def _result(done: Any, task: object) -> Any:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, CvaeError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise CvaeError(f"Ray gave up on {task}: {' '.join(str(error).split())}") from error
