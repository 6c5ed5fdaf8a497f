"""The optimizer with its learning rate schedule and an optional moving average of the weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import tensorflow as tf

from .._config import TrainConfig
from .._model import CVAE
from .._run import Part
from .muon import Muon

_OPTIMIZERS = {"adam": keras.optimizers.Adam, "muon": Muon}


class _Restarted(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that starts at a later step; earlier steps have its first learning rate."""

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, first: int) -> None:
        self._schedule, self._first = schedule, first

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self._schedule(tf.maximum(step - self._first, 0))


def make_optimizer(config: TrainConfig, steps_per_epoch: int, begun_after: int = 0) -> keras.optimizers.Optimizer:
    """Create the optimizer of a run; its variables include the average of the weights.

    Args:
        config: the recipe.
        steps_per_epoch: optimizer steps per epoch.
        begun_after: number of complete epochs when the run was continued. With "cosine", the epochs after them have the
            schedule of a run of that many epochs, warm-up included. A constant learning rate stays as it is.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule = config.learning_rate
    steps = (config.epochs - begun_after) * steps_per_epoch
    if config.decay == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay
        if config.warmup_steps:
            rest = max(1, steps - config.warmup_steps)
            rate = schedule(0.0, rest, warmup_target=config.learning_rate, warmup_steps=config.warmup_steps)
        else:
            rate = schedule(config.learning_rate, steps)
    elif config.warmup_steps:
        rate = keras.optimizers.schedules.PolynomialDecay(0.0, config.warmup_steps, config.learning_rate)
    if config.decay == "cosine" and begun_after:
        rate = _Restarted(rate, begun_after * steps_per_epoch)
    with _float32_by_default():
        return _OPTIMIZERS[config.optimizer](
            rate,
            epsilon=config.epsilon,
            global_clipnorm=config.clip_norm,
            use_ema=config.ema > 0.0,
            ema_momentum=config.ema,
            name=config.optimizer,  # otherwise a second one in the process is adam_1, with other names in checkpoints
        )


@contextmanager
def _float32_by_default() -> Iterator[None]:
    """Make float32 Keras's default within the block, since an optimizer has no argument for it."""
    before = keras.config.floatx()
    keras.config.set_floatx("float32")
    try:
        yield
    finally:
        keras.config.set_floatx(before)


def trained_variables(model: CVAE, freeze: Part | None) -> list[keras.Variable]:
    """Return the variables that are trained if the part ``freeze`` is not, the encoder's first.

    A learned prior belongs to the decoder.
    """
    decoder = [model.decoder] if model.prior is None else [model.decoder, model.prior]
    variables = {
        "encoder": [*model.encoder.trainable_variables, *([] if model.label_shift is None else [model.label_shift])],
        "decoder": [variable for network in decoder for variable in network.trainable_variables],
    }
    return [variable for name, of_part in variables.items() if name != freeze for variable in of_part]


@contextmanager
def averaged(optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> Iterator[None]:
    """Set the variables to their averages within the block, if the optimizer keeps averages."""
    kept = [variable.numpy() for variable in variables] if optimizer.use_ema else []
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, kept, strict=False):  # kept is empty without averages
            variable.assign(value)
