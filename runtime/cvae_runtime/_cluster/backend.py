"""``--engine ray``: parts of a job as tasks of a Ray cluster."""

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

_RETRIES = 10  # of a task whose worker or machine dies; one that kills every worker must come to an end
_ANSWER = 10.0  # seconds that a cluster has
_LEAVE = 3.0  # seconds that tasks which are cancelled have; Ray ends their processes then


@contextlib.contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Be connected to a cluster for a block; to the one that the process is connected to already, if it is.

    Args:
        address: "auto" for the cluster that this machine is part of, or HOST:PORT of its head, or
            ray://HOST:PORT for a client. If not given, that of
            RAY_ADDRESS, of the cluster that this machine is part of, or else a new one of this machine alone.

    Raises:
        InputError: there is none.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers of a cluster that it starts
    try:
        if address not in (None, "auto"):
            check_reachable(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"no Ray cluster at {address or 'hand'}: {' '.join(str(error).split())}; start one with: ray start --head"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def check_reachable(address: str) -> None:
    """Raise `OSError` or `ValueError` where nobody listens: Ray would try for minutes and then end the process."""
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
    """Do each part in a task, on whichever machine has room; yield the names and results as they are done.

    Args:
        address: of the cluster; see `_cluster`.
        workers: tasks at a time, at most; as many as the cluster has room for if not given.
        bundle, provider, precision, threads: of the model that ``work`` gets; a task takes as many cores as threads.
        work: called as ``work(model, name, indices)``; must leave a whole result or none, since it may be begun twice.
        parts: indices by names.
        ordered: yield them in the order of ``parts``.

    Raises:
        InputError: there is no such cluster.
        CvaeError: what a task raised, or that Ray gave a task up.
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
    """Twice as many tasks as the cluster can run now, so that none of its machines waits for this one."""
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
        raise CvaeError(f"Ray gave up {name}: {' '.join(str(error).split())}") from error
