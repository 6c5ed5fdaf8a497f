"""Load a model on the machines of a Ray cluster.

Work is split into plain tasks, not given to a pool of actors. A task runs on any machine with a free core, also on one
that joins later, and runs again elsewhere if its machine dies. No cores need to stay free for Ray Data's readers and
writers; a pool with an actor for each core would starve them.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any, Self

from .._bundle import Precision, read_bundle
from .._model import Model
from .._system import require

ray = require("ray", "ray")

_GPU = ("cuda", "tensorrt")  # providers whose tasks take a GPU each


@dataclasses.dataclass(frozen=True)
class RemoteModel:
    """A model that any machine of the cluster can load from the bundle's bytes in the cluster's memory.

    Attributes:
        bundle: Ray's reference to the `Bundle`.
        provider, precision, threads: see `cvae_runtime.load`; a provider's name instead of "auto", which may choose
            differently on each machine.
    """

    bundle: Any
    provider: Any
    precision: Precision
    threads: int

    @classmethod
    def put(cls, bundle: str | Path | None, provider: str, precision: Precision, threads: int) -> Self:
        """Read a bundle and put it into the cluster's memory; raises the errors of `cvae_runtime.read_bundle`."""
        return cls(ray.put(read_bundle(bundle)), provider, precision, threads)

    @property
    def resources(self) -> dict[str, int]:
        """Resources of a task that runs the model, as arguments of ``ray.remote``."""
        return {"num_cpus": self.threads, "num_gpus": int(self.provider in _GPU)}

    def load(self) -> Model:
        """Load the model, once for each process; Ray runs many tasks in one process."""
        return _load(self)


@functools.lru_cache(maxsize=2)
def _load(remote: RemoteModel) -> Model:
    return Model(ray.get(remote.bundle), provider=remote.provider, precision=remote.precision, threads=remote.threads)
