"""One device, several GPUs of a machine, or several machines: the same mathematics, divided by ``tf.distribute``.

A replica is a device's copy of the model. Every replica takes its share of each batch, and the sum of their gradients,
which is that of the undivided batch, moves all copies alike. Workers are processes, one a machine; the first is the
chief, and it alone writes. What the workers begin with is the chief's: settings are compared, checkpoints are sent.
"""

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import CvaeError, InputError

from .._tensorflow import hushed

_log = logging.getLogger("cvae_train")


class WorkerLostError(CvaeError):
    """A worker of the cluster ended, or cannot be reached."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The replicas that a run has, and which of them are here.

    Attributes:
        strategy: of ``tf.distribute``; the default one where there is one device.
        workers: processes.
        index: of this one.
    """

    strategy: tf.distribute.Strategy
    workers: int = 1
    index: int = 0

    @property
    def chief(self) -> bool:
        """Whether this worker is the one that writes."""
        return self.index == 0

    @property
    def replicas(self) -> int:
        """How many there are in all."""
        return self.strategy.num_replicas_in_sync

    def share(self, count: tf.Tensor, replica: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where a replica's share of ``count`` images begins and ends; all of them where there are too few to divide."""
        few = count < self.replicas
        begin, end = count * replica // self.replicas, count * (replica + 1) // self.replicas
        return tf.where(few, 0, begin), tf.where(few, count, end)

    def local_share(self, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where the shares of this worker's replicas begin and end."""
        here = self.replicas // self.workers
        return self.share(count, self.index * here)[0], self.share(count, (self.index + 1) * here - 1)[1]

    def sum(self, count: tf.Tensor, work: Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]) -> list[tf.Tensor]:
        """The sum of what ``work`` gives for each replica's share of ``count`` images; every replica has it."""
        if self.replicas == 1:
            return work(tf.constant(0), count)
        # Too few images to divide are taken by all.
        weight = tf.where(count < self.replicas, 1.0 / self.replicas, 1.0)

        def replica() -> list[tf.Tensor]:
            context = tf.distribute.get_replica_context()
            terms = work(*self.share(count, context.replica_id_in_sync_group))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.cast(weight, t.dtype) * t for t in terms])

        return [self.strategy.experimental_local_results(total)[0] for total in self.strategy.run(replica)]

    def sum_of_workers(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of the workers' numbers (N,)."""
        if self.workers == 1 or not numbers.size:  # TensorFlow crashes on a sum of nothing
            return numbers
        return _sum_of_workers(self.strategy, self.replicas // self.workers, tf.constant(numbers)).numpy()

    def of_chief(self, values: Sequence[NDArray[Any]]) -> list[NDArray[np.float64]]:
        """What the chief has of these numbers, of which every worker has some of the same shapes."""
        numbers = np.concatenate([np.ravel(value) for value in values]).astype(np.float64)
        numbers = self.sum_of_workers(numbers if self.chief else np.zeros_like(numbers))
        parts = np.split(numbers, np.cumsum([np.size(value) for value in values])[:-1])
        return [part.reshape(np.shape(value)) for part, value in zip(parts, values, strict=True)]

    def number_of_chief(self, value: float) -> float:
        """What the chief has of a number."""
        return float(self.of_chief([np.array(value)])[0])

    def share_variables(self, variables: Sequence[keras.Variable]) -> None:
        """Give every worker the chief's values."""
        if self.workers > 1:
            values = self.of_chief([variable.numpy() for variable in variables])
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value.astype(variable.dtype))

    def check_agreement(self, settings: str) -> None:
        """Raise `InputError` on every worker unless all were given the same settings."""
        digest = np.frombuffer(hashlib.sha256(settings.encode()).digest(), np.uint8)
        (chiefs,) = self.of_chief([digest])
        differing = int(self.sum_of_workers(np.array([not np.array_equal(digest, chiefs)], np.float64))[0])
        if differing:
            raise InputError(
                f"{differing} of {self.workers} workers were given other settings or images than worker 0; "
                f"start every worker with the same command and the same data"
            )

    def on_chief(self, work: Callable[[], None]) -> None:
        """Let the chief do something that may be refused, and end every worker if it is."""
        refusal: CvaeError | None = None
        if self.chief:
            try:
                work()
            except CvaeError as error:
                refusal = error
        refused = self.number_of_chief(refusal is not None)
        if refusal is not None:
            raise refusal
        if refused:
            raise CvaeError("worker 0 refused to begin; its message says why")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Tell of a worker that is lost in the middle of the block's work."""
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError) as error:
            if self.workers == 1:
                raise
            _log.info("%s", error)
            raise WorkerLostError(
                f"worker {self.index} lost another of the {self.workers} workers: it ended or cannot be reached, see its "
                f"message. The last whole epoch is kept: start all workers again, with --resume"
            ) from error


@tf.function(autograph=False, reduce_retracing=True)
def _sum_of_workers(strategy: tf.distribute.Strategy, here: int, numbers: tf.Tensor) -> tf.Tensor:
    def replica() -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group % here, 0)  # of its worker
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, numbers, tf.zeros_like(numbers)))

    return strategy.experimental_local_results(strategy.run(replica))[0]


def join_cluster() -> Cluster:
    """The devices that this process is to use, by ``TF_CONFIG`` and the GPUs that TensorFlow sees.

    With several workers it waits until all of them are there. TensorFlow must not have been used in the process before.

    Raises:
        InputError: ``TF_CONFIG`` cannot be understood.
    """
    workers, index = _read_tf_config()
    gpus = tf.config.list_physical_devices("GPU")
    with hushed():
        if workers > 1:
            _log.warning("worker %d waits for the other %d", index, workers - 1)  # for hours, if one never comes
            return Cluster(_join(), workers, index)
        tf.config.list_logical_devices()
        return Cluster(tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy())


def _read_tf_config() -> tuple[int, int]:
    """The number of workers, and which one this is."""
    try:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        jobs = resolver.cluster_spec().as_dict()
        kind, index = resolver.task_type, resolver.task_id
    except Exception as error:  # whatever JSON of another form leads to
        raise InputError(f"TF_CONFIG cannot be read: {error!r}; see the guide to several machines") from error
    if not jobs:
        return 1, 0
    if set(jobs) != {"worker"} or kind != "worker" or index not in range(len(jobs["worker"])):
        raise InputError(
            f"TF_CONFIG: expected a cluster of workers alone and a task of type worker with its index, found the jobs "
            f"{sorted(jobs)} and the task {kind} {index}; see the guide to several machines"
        )
    return len(jobs["worker"]), index


def _join() -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise InputError(
            f"cannot join the cluster: {error}; TensorFlow must not be used before training begins in this process"
        ) from error
