"""Train a convolutional variational autoencoder with TensorFlow.

    import cvae_train
    result = cvae_train.train(cvae_train.PRESETS["fast"], cvae_train.load_data())
    result.image(epoch=1)

The first use of `train`, `load_run` or `CVAE` imports TensorFlow. A command can therefore print its help and check its
arguments without that delay.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._config import PRESETS, ModelConfig, TrainConfig, read_config
from ._data import DataOptions, Dataset, load_data
from ._run import Callback, Checkpoint, Course, DataInfo, EpochRecord, RunFolder, RunResult, Start, read_history
from ._tensorflow import import_tensorflow

if TYPE_CHECKING:
    from ._evaluate import Evaluation, evaluate
    from ._load import load_run
    from ._loop import DivergedError, WorkerLostError
    from ._model import CVAE, preprocess
    from ._tensorboard import TensorBoard
    from ._train import train

_NEED_TENSORFLOW = {
    "CVAE": "_model",
    "DivergedError": "_loop",
    "Evaluation": "_evaluate",
    "TensorBoard": "_tensorboard",
    "WorkerLostError": "_loop",
    "evaluate": "_evaluate",
    "load_run": "_load",
    "preprocess": "_model",
    "train": "_train",
}

__all__ = [
    "CVAE",
    "PRESETS",
    "Callback",
    "Checkpoint",
    "Course",
    "DataInfo",
    "DataOptions",
    "Dataset",
    "DivergedError",
    "EpochRecord",
    "Evaluation",
    "ModelConfig",
    "RunFolder",
    "RunResult",
    "Start",
    "TensorBoard",
    "TrainConfig",
    "WorkerLostError",
    "evaluate",
    "import_tensorflow",
    "load_data",
    "load_run",
    "preprocess",
    "read_config",
    "read_history",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _NEED_TENSORFLOW:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_tensorflow()
    return getattr(importlib.import_module(f".{_NEED_TENSORFLOW[name]}", __name__), name)
