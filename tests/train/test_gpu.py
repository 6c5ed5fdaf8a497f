"""Training on a GPU gives the CPU's results. These tests run only if TensorFlow finds a GPU."""

import numpy as np
import pytest
import tensorflow as tf

from cvae_train import TrainConfig, train
from cvae_train._loop.compute import Compute, choose_compute
from cvae_train._loop.loop import Loop

GPUS = len(tf.config.list_physical_devices("GPU"))

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not GPUS, reason="TensorFlow sees no GPU on this machine")]


def test_auto_takes_bfloat16_and_whole_batches():
    assert choose_compute(TrainConfig(precision="auto")) == Compute(1, "bfloat16", "GPU")


def test_images_stay_on_the_device(tiny_config, tiny_data):
    assert "GPU" in Loop(tiny_config, tiny_data)._train_feed._images.device


def test_a_run_gives_what_the_cpu_gives(tiny_config, tiny_data, tmp_path):
    found = train(tiny_data, tiny_config, tmp_path / "run", quiet=True)
    with tf.device("CPU:0"):
        loop = Loop(tiny_config, tiny_data)
        expected = []
        for epoch in range(1, tiny_config.epochs + 1):
            loop.train_epoch(epoch, lambda *_: None)
            reconstruction, kl = loop.test_elbo(epoch)
            expected.append(reconstruction - kl)
    np.testing.assert_allclose([record.elbo for record in found.history], expected, rtol=1e-3)


def test_bfloat16_learns_what_float32_does(tiny_config: TrainConfig, tiny_data):
    elbos = []
    for precision in ("float32", "bfloat16"):
        loop = Loop(tiny_config, tiny_data, Compute(1, precision, "GPU"))
        for epoch in (1, 2, 3):
            loop.train_epoch(epoch, lambda *_: None)
        elbos.append(sum(loop.test_elbo(3)))
    assert elbos[0] == pytest.approx(elbos[1], rel=0.05)
