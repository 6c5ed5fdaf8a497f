"""Train the judge of MNIST samples.

    python scripts/train_judge.py assets/judge-mnist.onnx

The judge is a small convolutional classifier of binarized digits. `cvae-evaluate --features` measures samples in its
features, and takes its word on their classes. The recipe is fixed: 12 epochs on the embedded training images, shifted
at random by up to two pixels. The script prints the test accuracy through ONNX Runtime, and fails below 99%.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cvae_export._config import DEFAULT_OPSET
from cvae_export._convert import convert, finish
from cvae_export.passes import PORTABLE, select_passes
from cvae_runtime.files import write_file
from cvae_runtime.sessions import open_session
from cvae_train import import_tensorflow, preprocess
from cvae_train._data.mnist import load_mnist

tf = import_tensorflow()
import keras  # noqa: E402, with the backend that import_tensorflow chooses

EPOCHS, BATCH, LEARNING_RATE, SHIFT, FEATURES = 12, 128, 2e-3, 2, 64
LEAST_ACCURACY = 0.99


def main() -> None:
    """Train, write and test the judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    mnist = load_mnist()
    model = trained(mnist.train, mnist.train_labels, options.epochs)
    data = to_onnx(model)
    accuracy = accuracy_of(data, mnist.test, mnist.test_labels)
    print(f"test accuracy {accuracy:.2%}")
    if accuracy < LEAST_ACCURACY:
        sys.exit(f"expected an accuracy of at least {LEAST_ACCURACY:.0%}; {options.target} is not written")
    write_file(options.target, data)


def trained(images: Any, labels: Any, epochs: int) -> Any:
    """Return a model from pixels of 0 and 1, float32 (B, 28, 28, 1), to features and logits."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Conv2D(32, 3, 2, activation="relu"),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.Conv2D(64, 3, 2, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(FEATURES, activation="relu", name="features"),
    ]
    x = inputs = keras.Input((28, 28, 1))
    for layer in layers:
        x = layer(x)
    logits = keras.layers.Dense(10, name="logits")(keras.layers.Dropout(0.3)(x))
    model = keras.Model(inputs, {"features": x, "logits": logits})
    steps = epochs * (len(images) // BATCH)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps))

    @tf.function
    def step(batch: Any, classes: Any) -> Any:
        shifted = tf.pad(preprocess(batch, 128), [[0, 0], [SHIFT, SHIFT], [SHIFT, SHIFT], [0, 0]])
        corner = tf.random.uniform((2,), 0, 2 * SHIFT + 1, tf.int32)
        shifted = tf.ensure_shape(tf.slice(shifted, [0, corner[0], corner[1], 0], [-1, 28, 28, 1]), [None, 28, 28, 1])
        with tf.GradientTape() as tape:
            found = model(shifted, training=True)["logits"]
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, found))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    random = np.random.default_rng(0)
    for epoch in range(1, epochs + 1):
        order = random.permutation(len(images))[: steps // epochs * BATCH].reshape(-1, BATCH)
        losses = [step(tf.constant(images[rows]), tf.constant(labels[rows], tf.int32)) for rows in order]
        print(f"epoch {epoch} of {epochs}: loss {np.mean(losses):.4f}")
    return model


def to_onnx(model: Any) -> bytes:
    """Convert the model to a graph that takes pixels of 0 to 255, uint8, and thresholds them at half."""

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.uint8, name="images")])
    def judge(images: Any) -> Any:
        return model(preprocess(images, 128), training=False)

    metadata = {"cvae.role": "judge"}
    return finish(convert(judge, DEFAULT_OPSET), select_passes(PORTABLE, ()), ("features", "logits"), metadata)[0]


def accuracy_of(data: bytes, images: Any, labels: Any) -> float:
    """Share of the images whose most probable class is theirs."""
    session = open_session(data)
    logits = [session.run(["logits"], {"images": part})[0] for part in np.array_split(images, 20)]
    return float((np.concatenate(logits).argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    main()
