"""Adam (Kingma and Ba, 2015) with learning rate schedules and an optional moving average of the weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras

from .._config import TrainConfig


def make_optimizer(config: TrainConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Create the optimizer of a run; its variables include the average of the weights."""
    rate: float | keras.optimizers.schedules.LearningRateSchedule = config.learning_rate
    steps = config.epochs * steps_per_epoch
    if config.decay == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay
        if config.warmup_steps:
            rest = max(1, steps - config.warmup_steps)
            rate = schedule(0.0, rest, warmup_target=config.learning_rate, warmup_steps=config.warmup_steps)
        else:
            rate = schedule(config.learning_rate, steps)
    elif config.warmup_steps:
        rate = keras.optimizers.schedules.PolynomialDecay(0.0, config.warmup_steps, config.learning_rate)
    with _float32_by_default():
        return keras.optimizers.Adam(
            rate,
            epsilon=config.epsilon,
            global_clipnorm=config.clip_norm,
            use_ema=config.ema > 0.0,
            ema_momentum=config.ema,
            name="adam",  # otherwise a second one in the process is adam_1, with other names in its checkpoints
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
