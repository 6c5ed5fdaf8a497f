"""``--engine ray``: run the parts of a job as tasks of a Ray cluster."""

import contextlib
import itertools
import logging
import os
import socket
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from .._bundle import Precision
from .._errors import CvaeError, InputError
from .._jobs import Work
from .model import RemoteModel, ray

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


def on_cluster(
    address: str | None,
    workers: int | None,
    bundle: Path | None,
    provider: str,
    precision: Precision,
    threads: int,
    work: Work,
    parts: Mapping[str, range],
    *,
    ordered: bool = False,
) -> Generator[tuple[str, Any], None, None]:
    """Run each part as a task, on any machine with free cores; yield names and results as the tasks complete.

    Args:
        address: address of the cluster; see `_cluster`.
        workers: largest number of tasks at a time; default: twice the number that the cluster can run.
        bundle, provider, precision, threads: arguments of the model for ``work``; a task takes ``threads`` cores.
        work: called as ``work(model, name, indices)``; it may run twice, so it must write a whole result or none.
        parts: indices by name.
        ordered: yield results in the order of ``parts``.

    Raises:
        InputError: there is no cluster at the address.
        CvaeError: a task raised it, or Ray gave up on a task.
    """
    with _cluster(address):
        remote = RemoteModel.put(bundle, provider, precision, threads)
        task = ray.remote(max_retries=_RETRIES, **remote.resources)(_do)
        waiting = iter(parts.items())
        running: dict[Any, str] = {}
        try:
            while True:
                for name, indices in itertools.islice(waiting, max(0, (workers or _room(threads)) - len(running))):
                    running[task.remote(remote, work, name, indices)] = name
                if not running:
                    return
                (done, *_), _ = ray.wait(list(running)[: 1 if ordered else None], num_returns=1)
                name = running.pop(done)
                yield name, _result(done, name)
        finally:
            for left in running:
                ray.cancel(left)
            ray.wait(list(running), num_returns=len(running), timeout=_LEAVE)


def _room(threads: int) -> int:
    """Twice the number of tasks that the cluster can run now, so that its machines always have a task queued."""
    return 2 * max(1, int(ray.cluster_resources().get("CPU", 0)) // threads)


def _do(remote: RemoteModel, work: Work, name: str, indices: range) -> Any:
    return work(remote.load(), name, indices)


def _result(done: Any, name: str) -> Any:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, CvaeError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise CvaeError(f"Ray gave up on {name}: {' '.join(str(error).split())}") from error
