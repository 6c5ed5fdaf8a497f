"""Use of the hardware: towers and threads on a CPU, and the precision of the layers in a training step.

TensorFlow's CPU kernels divide one operator among threads, which gains little on operators this small. A tower is a
slice of the batch with its own copy of the step's operators, each on few threads. Cores thus work in parallel for a
whole step. The sum of the towers' gradients is the gradient of the whole batch.
"""

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from cvae_runtime.system import allowed_cores, processor

from .._config import Architecture, Precision, TrainConfig
from .._model import CVAE, Transposed, every_layer
from .._run import Plan

# At least. With fewer, towers take longer than TensorFlow's threads in each operator; the residual network has many
# operators with little work, which threads hardly speed up.
IMAGES_PER_TOWER: Mapping[Architecture, int] = {"notebook": 25, "residual": 2, "dense": 10}

_NVIDIA = Path("/proc/driver/nvidia/gpus")  # the Linux driver's list of GPUs

_log = logging.getLogger("cvae_train")


@dataclasses.dataclass(frozen=True)
class Compute:
    """How a process uses its hardware.

    Attributes:
        towers: number of pieces that a device's share of a batch is split into.
        precision: of the layers in a training step, "float32" or "bfloat16".
        device: "CPU" or "GPU".
        for_cpu: whether the decoder uses the layer variants that train faster on a CPU, see `Transposed`.
        threads: threads per operator on the CPU; 0 if TensorFlow chooses.
    """

    towers: int = 1
    precision: Precision = "float32"
    device: str = "CPU"
    for_cpu: bool = False
    threads: int = 0


def choose_compute(config: TrainConfig, begun: Plan | None = None) -> Compute:
    """Choose towers, threads and precision for the hardware, and set TensorFlow's threads.

    Threads can be set only before a process first uses TensorFlow. Afterwards there is one tower, with TensorFlow's
    current threads.

    Args:
        config: the recipe.
        begun: plan of the run to resume, which is used again on the same kind of device.
    """
    precision = config.precision
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus and _NVIDIA.exists() and any(_NVIDIA.iterdir()):
        _log.warning(
            "TensorFlow cannot use this machine's NVIDIA GPU, so training runs on the CPU; "
            "pip install 'tensorflow[and-cuda]' installs the libraries, see https://www.tensorflow.org/install/pip"
        )
    device: str = "GPU" if gpus else "CPU"
    if begun is not None and begun.device != device:
        begun = None
    if begun is not None:
        precision = begun.precision
    elif precision == "auto":
        precision = "bfloat16" if gpus or "bfloat16" in processor().instructions else "float32"
    if gpus:
        return Compute(1, precision, device)
    cores = allowed_cores()
    with_images = max(1, config.batch_size // IMAGES_PER_TOWER[config.model.architecture])
    towers = min(cores, with_images) if begun is None else begun.towers
    threads = cores // towers if begun is None else begun.threads
    if not _set_threads(threads, towers if towers > 1 else 0):
        towers = 1 if begun is None else towers
        threads = tf.config.threading.get_intra_op_parallelism_threads() or cores
    return Compute(towers, precision, device, for_cpu=True, threads=threads)


@contextmanager
def computing_in(model: CVAE, compute: Compute) -> Iterator[None]:
    """Set the precision and variants of a model's layers within the block; variables stay float32.

    Trace a ``tf.function`` within the block, and its graph keeps them.
    """
    layers = [*every_layer(model.encoder), *every_layer(model.decoder)]
    policies = [layer.dtype_policy for layer in layers]
    transposed = [layer for layer in layers if isinstance(layer, Transposed)]
    try:
        for layer in layers:
            layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16" if compute.precision == "bfloat16" else "float32")
        for layer in transposed:
            layer.for_cpu = compute.for_cpu
        yield
    finally:
        for layer in transposed:
            layer.for_cpu = False
        for layer, policy in zip(layers, policies, strict=True):
            layer.dtype_policy = policy


def _set_threads(per_operator: int, operators: int) -> bool:
    """Set the threads per operator and the operators that run in parallel; 0 lets TensorFlow choose.

    Returns:
        Whether TensorFlow uses them. It does not if the process has used it before with other settings.
    """
    threading = tf.config.threading
    try:
        threading.set_intra_op_parallelism_threads(per_operator)
        threading.set_inter_op_parallelism_threads(operators)
    except RuntimeError:
        _log.info("TensorFlow is already in use and keeps its threads")
        wanted = (per_operator, operators)
        return (threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()) == wanted
    return True
