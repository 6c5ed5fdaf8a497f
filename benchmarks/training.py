"""Compare training steps: the notebook's, ours and PyTorch's.

Every contender trains the same network with Adam at 1e-4 on the same 2,000 digits, in calls of 20 steps of 100 images.
The check compares the ELBO of the first call; noise and initial weights change it by a few nats.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

import cvae_train

from ._harness import Field, Rounds
from ._process import Contender, Process, chosen
from ._progress import Progress
from ._result import Comparison
from ._worker import Factory

OPTIONS = ("peers", "seconds")

TASK = "training"
OURS = "towers, float32"
IMAGES, BATCH = 2000, 100
ATOL = 25.0  # nats; a sum instead of a mean, or a wrong sign, is off by hundreds

PEERS = (
    Contender("TensorFlow, eager as the notebook", "benchmarks.training:notebook"),
    Contender("PyTorch, eager", "benchmarks.training:torch_eager"),
    Contender("PyTorch, compiled", "benchmarks.training:torch_compiled"),
)
OWN = (
    Contender("whole epoch in one graph", "benchmarks.training:plain", kind="ours"),
    Contender(OURS, "benchmarks.training:towers_float32", kind="ours"),
    Contender("towers, bfloat16", "benchmarks.training:towers_bfloat16", kind="ours", precision="bfloat16"),
)


def _digits() -> np.ndarray:
    return cvae_train.load_data().train[:IMAGES]


def notebook() -> Factory:
    """The training step of the 2018 notebook: a gradient tape, eager operators, one batch after another."""
    import keras
    import tensorflow as tf

    model = cvae_train.CVAE()
    optimizer = keras.optimizers.Adam(1e-4, epsilon=1e-8)
    batches = tf.data.Dataset.from_tensor_slices((_digits() >= 128).astype(np.float32)).shuffle(IMAGES).batch(BATCH)

    def log_normal(sample: tf.Tensor, mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(-0.5 * ((sample - mean) ** 2.0 * tf.exp(-logvar) + logvar + np.log(2.0 * np.pi)), axis=1)

    def step(x: tf.Tensor) -> float:
        with tf.GradientTape() as tape:
            mean, logvar = model.encode(x)
            z = model.reparameterize(mean, logvar)
            cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(logits=model.decode(z), labels=x)
            log_p_x = -tf.reduce_sum(cross_entropy, axis=[1, 2, 3])
            zero = tf.zeros_like(z)
            loss = -tf.reduce_mean(log_p_x + log_normal(z, zero, zero) - log_normal(z, mean, logvar))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return -float(loss)

    return lambda _task, _images: lambda: np.array([np.mean([step(x) for x in batches])])


def _loop(precision: Literal["float32", "bfloat16"], *, towers: bool) -> Factory:
    from cvae_train._loop.compute import Compute, choose_compute
    from cvae_train._loop.loop import Loop

    config = dataclasses.replace(cvae_train.PRESETS["notebook"], precision=precision)
    compute = choose_compute(config) if towers else Compute()
    digits = _digits()
    loop = Loop(config, cvae_train.Dataset(digits, digits[:1]), compute)
    epochs = iter(range(1, 10**9))
    return lambda _task, _images: lambda: np.array([loop.train_epoch(next(epochs), lambda _done, _elbo: None)])


def plain() -> Factory:
    """This project's loop with undivided batches and TensorFlow's own threads."""
    return _loop("float32", towers=False)


def towers_float32() -> Factory:
    """This project's loop with ``--precision float32``."""
    return _loop("float32", towers=True)


def towers_bfloat16() -> Factory:
    """This project's loop with ``--precision bfloat16``."""
    return _loop("bfloat16", towers=True)


def _torch(*, compiled: bool) -> Factory:
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(0)
    encoder = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, 2), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(2304, 100))
    )
    decoder = nn.Sequential(
        *(nn.Linear(50, 1568), nn.ReLU(), nn.Unflatten(1, (32, 7, 7))),
        *(nn.ConvTranspose2d(32, 64, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), nn.ReLU()),
        nn.ConvTranspose2d(32, 1, 3, 1, 1),
    )
    model = nn.ModuleDict({"encoder": encoder, "decoder": decoder}).to(memory_format=torch.channels_last)
    for name, parameter in model.named_parameters():
        nn.init.xavier_uniform_(parameter) if name.endswith("weight") else nn.init.zeros_(parameter)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    x = torch.from_numpy((_digits() >= 128).astype(np.float32)).permute(0, 3, 1, 2)
    x = x.contiguous(memory_format=torch.channels_last)

    def loss_of(batch: "torch.Tensor") -> "torch.Tensor":
        mean, logvar = model["encoder"](batch).chunk(2, dim=1)
        noise = torch.randn_like(mean)
        z = mean + torch.exp(logvar / 2) * noise
        cross_entropy = functional.binary_cross_entropy_with_logits(model["decoder"](z), batch, reduction="none")
        log_ratio = 0.5 * (z**2 - noise**2 - logvar).sum(dim=1)  # log q(z|x) - log p(z)
        return (cross_entropy.sum(dim=(1, 2, 3)) + log_ratio).mean()

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def call() -> np.ndarray:
        elbos = []
        for part in torch.randperm(IMAGES).split(BATCH):
            loss = loss_of(x[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            elbos.append(-loss.item())
        return np.array([np.mean(elbos)])

    return lambda _task, _images: call


def torch_eager() -> Factory:
    """The same step in PyTorch, channels last."""
    return _torch(compiled=False)


def torch_compiled() -> Factory:
    """The same step in PyTorch through ``torch.compile``, channels last."""
    return _torch(compiled=True)


def reference(images: int) -> np.ndarray:
    """The ELBO of the first steps in the undivided loop, computed in another process, so that its threads are gone."""
    with contextlib.closing(Process(Contender("reference", "benchmarks.training:plain"))) as process:
        process.start()
        return process.output(TASK, images)


def run(
    *, quick: bool, progress: Progress, peers: Sequence[str] | None = None, seconds: float | None = None
) -> Iterator[Comparison]:
    """Yield one comparison."""
    rounds = Rounds(3, seconds or 1.0) if quick else Rounds(5, seconds or 5.0)
    contenders = [*(peer for peer in PEERS if chosen(peer.name, peers)), *OWN]
    with Field(contenders, progress) as field:
        found = field.offline(TASK, (IMAGES,), reference, ATOL, rounds)
    yield Comparison(
        *(f"{IMAGES // BATCH} steps of {BATCH} images", "offline", "images/s", "higher", "batch"),
        found.offline(),
        OURS,
        negligible=0.05,
    )
