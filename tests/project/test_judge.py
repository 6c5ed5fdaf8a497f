"""The committed judge of MNIST samples."""

from pathlib import Path

import numpy as np

from cvae_runtime.sessions import open_session
from cvae_train._data.mnist import load_mnist
from scripts.train_judge import FEATURES, LEAST_ACCURACY, accuracy_of

JUDGE = Path(__file__).parents[2] / "assets" / "judge-mnist.onnx"


def test_accuracy():
    mnist = load_mnist()
    assert accuracy_of(JUDGE.read_bytes(), mnist.test, mnist.test_labels) >= LEAST_ACCURACY


def test_inputs_and_outputs():
    session = open_session(JUDGE.read_bytes())
    grey = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)
    features, logits = session.run(["features", "logits"], {"images": grey})
    assert (features.shape, logits.shape) == ((3, FEATURES), (3, 10))
    cut = session.run(["features", "logits"], {"images": (grey >= 128) * np.uint8(255)})
    np.testing.assert_array_equal(cut[1], logits)
