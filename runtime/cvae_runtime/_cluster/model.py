"""A model on the machines of a Ray cluster: what goes there, and what a task needs.

Work is cut into plain tasks, not given to a pool of actors: a task runs on whichever machine has a core free, again on
another when its own dies, and on machines that join. So nothing has to be left free for Ray Data's readers and
writers, which a pool of as many actors as there are cores would starve.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any, Self

from .._bundle import Precision, read_bundle
from .._model import Model
from .._system import require

ray = require("ray", "ray")

_GPU = ("cuda", "tensorrt")  # providers that take a GPU a task


@dataclasses.dataclass(frozen=True)
class RemoteModel:
    """A model that any machine of the cluster can load, from the bundle's bytes in the cluster's memory.

    Attributes:
        bundle: Ray's reference of the `Bundle`.
        provider, precision, threads: see `cvae_runtime.load`; one provider by name, since "auto" may choose another
            on another machine.
    """

    bundle: Any
    provider: Any
    precision: Precision
    threads: int

    @classmethod
    def put(cls, bundle: str | Path | None, provider: str, precision: Precision, threads: int) -> Self:
        """Read a bundle and put it into the cluster's memory; errors are those of `cvae_runtime.read_bundle`."""
        return cls(ray.put(read_bundle(bundle)), provider, precision, threads)

    @property
    def resources(self) -> dict[str, int]:
        """What a task that runs the model takes of its machine."""
        return {"num_cpus": self.threads, "num_gpus": int(self.provider in _GPU)}

    def load(self) -> Model:
        """The model, loaded once a process; for tasks, which Ray runs in processes that it keeps."""
        return _load(self)


@functools.lru_cache(maxsize=2)
def _load(remote: RemoteModel) -> Model:
    return Model(ray.get(remote.bundle), remote.provider, remote.precision, remote.threads)
