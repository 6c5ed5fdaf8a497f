"""Training on one device, several GPUs, or several machines, with ``tf.distribute``.

A replica is a device's copy of the model. Every replica takes its share of each batch. The sum of their gradients is
the gradient of the whole batch, and it updates all copies alike. Workers are processes, one per machine. The first one
is the chief, and only it writes files. At the start, the workers' settings are compared, and the chief broadcasts its
checkpoint.
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
from cvae_runtime.system import suppress_native_stderr

_log = logging.getLogger("cvae_train")


class WorkerLostError(CvaeError):
    """A worker of the cluster ended, or cannot be reached.

    Examples:
        >>> issubclass(cvae_train.WorkerLostError, cvae.CvaeError)
        True
    """


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The replicas of a run, and this worker's place among them.

    Attributes:
        strategy: of ``tf.distribute``; the default strategy for one device.
        workers: number of worker processes.
        index: index of this worker.
    """

    strategy: tf.distribute.Strategy
    workers: int = 1
    index: int = 0

    @property
    def chief(self) -> bool:
        """Whether this worker is the chief, which writes the files."""
        return self.index == 0

    @property
    def replicas(self) -> int:
        """Number of replicas of all workers."""
        return self.strategy.num_replicas_in_sync

    def share(self, count: tf.Tensor, replica: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Begin and end of a replica's share of ``count`` images; all images if there are fewer than replicas."""
        few = count < self.replicas
        begin, end = count * replica // self.replicas, count * (replica + 1) // self.replicas
        return tf.where(few, 0, begin), tf.where(few, count, end)

    def local_share(self, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Begin and end of the images of this worker's replicas."""
        here = self.replicas // self.workers
        return self.share(count, self.index * here)[0], self.share(count, (self.index + 1) * here - 1)[1]

    def sum(self, count: tf.Tensor, work: Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]) -> list[tf.Tensor]:
        """Sum ``work``'s results over the replicas' shares of ``count`` images; every replica receives the sum."""
        if self.replicas == 1:
            return work(tf.constant(0), count)
        # If there are fewer images than replicas, every replica computes all of them.
        weight = tf.where(count < self.replicas, 1.0 / self.replicas, 1.0)

        def replica() -> list[tf.Tensor]:
            context = tf.distribute.get_replica_context()
            terms = work(*self.share(count, context.replica_id_in_sync_group))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.cast(weight, t.dtype) * t for t in terms])

        return [self.strategy.experimental_local_results(total)[0] for total in self.strategy.run(replica)]

    def sum_of_workers(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum numbers (N,) over the workers."""
        if self.workers == 1 or not numbers.size:  # TensorFlow crashes on an empty sum
            return numbers
        return _sum_of_workers(self.strategy, self.replicas // self.workers, tf.constant(numbers)).numpy()

    def broadcast(self, values: Sequence[NDArray[Any]]) -> list[NDArray[np.float64]]:
        """Return the chief's arrays on every worker; each worker passes arrays of the same shapes."""
        numbers = np.concatenate([np.ravel(value) for value in values]).astype(np.float64)
        numbers = self.sum_of_workers(numbers if self.chief else np.zeros_like(numbers))
        arrays = np.split(numbers, np.cumsum([np.size(value) for value in values])[:-1])
        return [array.reshape(np.shape(value)) for array, value in zip(arrays, values, strict=True)]

    def broadcast_number(self, value: float) -> float:
        """Return the chief's number on every worker."""
        return float(self.broadcast([np.array(value)])[0])

    def broadcast_variables(self, variables: Sequence[keras.Variable]) -> None:
        """Assign the chief's values to the variables of every worker."""
        if self.workers > 1:
            values = self.broadcast([variable.numpy() for variable in variables])
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value.astype(variable.dtype))

    def check_agreement(self, settings: str) -> None:
        """Raise `InputError` on every worker unless all have the same settings."""
        digest = np.frombuffer(hashlib.sha256(settings.encode()).digest(), np.uint8)
        (chief_digest,) = self.broadcast([digest])
        differing = int(self.sum_of_workers(np.array([not np.array_equal(digest, chief_digest)], np.float64))[0])
        if differing:
            raise InputError(
                f"cluster: expected the settings and images of worker 0 on all {self.workers} workers, found others on "
                f"{differing}; start every worker with the same command and the same data"
            )

    def run_on_chief(self, work: Callable[[], object]) -> None:
        """Call ``work`` on the chief; if it raises `CvaeError`, raise on every worker."""
        failure: CvaeError | None = None
        if self.chief:
            try:
                work()
            except CvaeError as error:
                failure = error
        failed = self.broadcast_number(failure is not None)
        if failure is not None:
            raise failure
        if failed:
            raise CvaeError("worker 0 could not start; see its error message")

    @contextmanager
    def detect_lost_workers(self) -> Iterator[None]:
        """Raise `WorkerLostError` if another worker ends or cannot be reached within the block."""
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError) as error:
            if self.workers == 1:
                raise
            _log.info("%s", error)
            raise WorkerLostError(
                f"worker {self.index} lost another of the {self.workers} workers, which ended or cannot be reached; "
                f"see its message. The last complete epoch is kept: restart all workers with --resume"
            ) from error


@tf.function(autograph=False, reduce_retracing=True)
def _sum_of_workers(strategy: tf.distribute.Strategy, here: int, numbers: tf.Tensor) -> tf.Tensor:
    def replica() -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group % here, 0)  # the first replica of its worker
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, numbers, tf.zeros_like(numbers)))

    return strategy.experimental_local_results(strategy.run(replica))[0]


def join_cluster() -> Cluster:
    """Set up the devices of this process, according to ``TF_CONFIG`` and the visible GPUs.

    With several workers, this waits until all of them have started. The process must not have used TensorFlow before.

    Raises:
        InputError: ``TF_CONFIG`` is invalid.
    """
    workers, index = _read_tf_config()
    gpus = tf.config.list_physical_devices("GPU")
    with suppress_native_stderr():
        if workers > 1:
            # A warning, because the wait takes hours if a worker does not start.
            _log.warning("worker %d is waiting for %d other workers", index, workers - 1)
            return Cluster(_join(), workers, index)
        tf.config.list_logical_devices()
        return Cluster(tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy())


def _read_tf_config() -> tuple[int, int]:
    """Return the number of workers and the index of this one."""
    try:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        jobs = resolver.cluster_spec().as_dict()
        kind, index = resolver.task_type, resolver.task_id
    except Exception as error:  # depends on the JSON
        raise InputError(f"TF_CONFIG cannot be read: {error!r}; see docs/scaling.md") from error
    if not jobs:
        return 1, 0
    if set(jobs) != {"worker"} or kind != "worker" or index not in range(len(jobs["worker"])):
        raise InputError(
            f"TF_CONFIG: expected only workers in the cluster, and a task of type worker with its index, found the "
            f"jobs {sorted(jobs)} and the task {kind} {index}; see docs/scaling.md"
        )
    return len(jobs["worker"]), index


def _join() -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise InputError(
            f"cannot join the cluster: {error}; do not use TensorFlow in this process before training starts"
        ) from error
