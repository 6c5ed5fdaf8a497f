"""Adam with the schedule of a recipe (Kingma and Ba, "Adam", 2015), and the average of the weights that it may keep."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras

from .._config import TrainConfig


def make_optimizer(config: TrainConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer of a run; its checkpoint holds the average, too."""
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
            name="adam",  # or the second of a process would be adam_1, and its checkpoints other ones
        )


@contextmanager
def _float32_by_default() -> Iterator[None]:
    """Let Keras make float32 variables within the block: an optimizer takes no dtype for its learning rate."""
    before = keras.config.floatx()
    keras.config.set_floatx("float32")
    try:
        yield
    finally:
        keras.config.set_floatx(before)


@contextmanager
def averaged(optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> Iterator[None]:
    """Let the variables have their averages within the block, where the optimizer keeps any."""
    kept = [variable.numpy() for variable in variables] if optimizer.use_ema else []
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, kept, strict=False):  # nothing was kept where nothing changed
            variable.assign(value)
