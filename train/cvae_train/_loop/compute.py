"""How the hardware is used: towers, one a core or a few, and the precision of a training step's layers.

TensorFlow's CPU kernels share one operator among threads, which pays little on operators this small. A tower is a part of
the batch with its own copy of the step's operators, each on few threads, so that cores work side by side for a whole step.
The gradients' sum is that of the undivided batch.
"""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from cvae_runtime.system import allowed_cores

from .._config import Precision
from .._model import CVAE, Transposed
from .._run import Plan

IMAGES_A_TOWER = 25  # at least: with fewer an operator's start costs more than its work

_NVIDIA = Path("/proc/driver/nvidia/gpus")  # where Linux's driver lists them

_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}  # instructions that multiply bfloat16

_log = logging.getLogger("cvae_train")


@dataclasses.dataclass(frozen=True)
class Compute:
    """What was chosen.

    Attributes:
        towers: parts that a device's share of a batch is split into.
        precision: "float32" or "bfloat16", of the layers in a training step.
        device: "CPU" or "GPU".
        for_cpu: whether the decoder's layers take the forms that a CPU trains faster, see `Transposed`.
        threads: of an operator on the CPU; 0 where TensorFlow chooses.
    """

    towers: int = 1
    precision: Precision = "float32"
    device: str = "CPU"
    for_cpu: bool = False
    threads: int = 0


def choose_compute(precision: Precision, batch_size: int, begun: Plan | None = None) -> Compute:
    """Choose by what the hardware has, and set TensorFlow's threads accordingly: a tower's operators share its cores.

    Threads can be set only before TensorFlow is first used in a process; later there is one tower, on as many threads
    as TensorFlow was given.

    Args:
        precision: as the recipe has it.
        batch_size: images.
        begun: how the run was begun that is gone on with: on a device of the same kind this is chosen again.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus and _NVIDIA.exists() and any(_NVIDIA.iterdir()):
        _log.warning(
            "this machine has an NVIDIA GPU that TensorFlow cannot use, so training runs on the CPU; "
            "pip install 'tensorflow[and-cuda]' brings what it needs, see https://www.tensorflow.org/install/pip"
        )
    device: str = "GPU" if gpus else "CPU"
    if begun is not None and begun.device != device:
        begun = None
    if begun is not None:
        precision = begun.precision
    elif precision == "auto":
        precision = "bfloat16" if gpus or _cpu_flags() & _CPU_FLAGS else "float32"
    if gpus:
        return Compute(1, precision, device)
    cores = allowed_cores()
    towers = min(cores, max(1, batch_size // IMAGES_A_TOWER)) if begun is None else begun.towers
    threads = cores // towers if begun is None else begun.threads
    if not _set_threads(threads, towers if towers > 1 else 0):
        towers = 1 if begun is None else towers
        threads = tf.config.threading.get_intra_op_parallelism_threads() or cores
    return Compute(towers, precision, device, for_cpu=True, threads=threads)


@contextmanager
def computing_in(model: CVAE, compute: Compute) -> Iterator[None]:
    """Let a model's layers compute within the block as was chosen for training; their variables stay float32.

    It matters while a ``tf.function`` is traced: the graph keeps it.
    """
    layers = [layer for part in (model.encoder, model.decoder) for layer in (part, *part.layers)]
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


def _set_threads(an_operator: int, operators: int) -> bool:
    """Whether TensorFlow runs so many operators at a time, as many as it likes where 0, on so many threads each."""
    threading = tf.config.threading
    try:
        threading.set_intra_op_parallelism_threads(an_operator)
        threading.set_inter_op_parallelism_threads(operators)
    except RuntimeError:  # TensorFlow was used before, and keeps its threads
        _log.info("TensorFlow is in use already: its threads stay as they are")
        wanted = (an_operator, operators)
        return (threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()) == wanted
    return True


def _cpu_flags() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
