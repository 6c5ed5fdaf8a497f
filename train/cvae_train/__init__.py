"""Train a convolutional variational autoencoder with TensorFlow.

    import cvae_train
    result = cvae_train.train("photos/", minutes=10)
    result.image(epoch=1)

The first use of `train`, `load_run` or `CVAE` imports TensorFlow. A command can therefore print its help and check its
arguments without that delay.

In the examples of the names below, ``images.npz`` has a few images of 8x8 pixels, and ``runs/0001`` is a run of two
epochs on them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._config import PRESETS, ModelConfig, TrainConfig, read_config
from ._data import DataOptions, Dataset, Labels, draw_binary, load_data
from ._recipe import Decision, Speed, TrainingPlan
from ._run import Callback, Checkpoint, Course, DataInfo, EpochRecord, RunFolder, RunResult, Start, read_history
from ._tensorflow import import_tensorflow

if TYPE_CHECKING:
    from ._evaluate import Evaluation, SampleQuality, evaluate, judge
    from ._load import load_run
    from ._loop import DivergedError, WorkerLostError
    from ._model import CVAE, preprocess
    from ._planning import plan_training
    from ._tensorboard import TensorBoard
    from ._train import train

_NEED_TENSORFLOW = {
    "CVAE": "_model",
    "DivergedError": "_loop",
    "Evaluation": "_evaluate",
    "SampleQuality": "_evaluate",
    "TensorBoard": "_tensorboard",
    "WorkerLostError": "_loop",
    "evaluate": "_evaluate",
    "judge": "_evaluate",
    "load_run": "_load",
    "plan_training": "_planning",
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
    "Decision",
    "DivergedError",
    "EpochRecord",
    "Evaluation",
    "Labels",
    "ModelConfig",
    "RunFolder",
    "RunResult",
    "SampleQuality",
    "Speed",
    "Start",
    "TensorBoard",
    "TrainConfig",
    "TrainingPlan",
    "WorkerLostError",
    "draw_binary",
    "evaluate",
    "import_tensorflow",
    "judge",
    "load_data",
    "load_run",
    "plan_training",
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
