"""TensorBoard callback: the history as scalars, the samples as images, and the test images in the projector."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import encode_png, image_grid, to_uint8
from cvae_runtime.files import write_file
from cvae_runtime.system import require

from ._config import TrainConfig
from ._data import draw_binary
from ._model import preprocess
from ._run import Callback, EpochRecord, RunFolder, RunResult

PROJECTED = 2500  # images, a sprite of 50 x 50; browsers display larger ones slowly

_SCALARS = {
    "elbo/test": "elbo",
    "elbo/train": "train_elbo",
    "elbo/validation": "validation_elbo",
    "test/reconstruction": "reconstruction",
    "test/kl": "kl",
    "speed/images_per_second": "images_per_second",
}


class TensorBoard(Callback):
    """Write event files for ``tensorboard --logdir RUN`` into the run folder.

    Args:
        test_images: uint8 (N, H, W, C); the projector shows the means of q(z|x) for the first 2,500.

    Raises:
        MissingExtraError: TensorBoard is not installed.

    Examples:
        >>> recipe = cvae_train.read_config(Path("runs/0001/config.json"))
        >>> data = cvae_train.load_data("images.npz")
        >>> result = cvae_train.train(data, recipe, callbacks=[cvae_train.TensorBoard(data.test)], quiet=True)
        >>> cvae_train.RunFolder(result.path).tensorboard.is_dir()
        True
    """

    def __init__(self, test_images: NDArray[np.uint8]) -> None:
        require("tensorboard", "tensorboard")
        self._images = test_images[:PROJECTED]

    def on_train_begin(self, folder: RunFolder, config: TrainConfig, history: Sequence[EpochRecord]) -> None:  # noqa: ARG002
        """See `Callback`."""
        self._folder = folder.tensorboard
        self._writer = tf.summary.create_file_writer(str(self._folder))

    def on_epoch_end(self, record: EpochRecord, samples: NDArray[np.float32]) -> None:
        """See `Callback`."""
        with self._writer.as_default(step=record.epoch):
            for tag, name in _SCALARS.items():
                if (value := getattr(record, name)) is not None:
                    tf.summary.scalar(tag, value)
            tf.summary.image("samples", image_grid(to_uint8(samples))[np.newaxis])
        self._writer.flush()

    def on_train_end(self, result: RunResult) -> None:
        """See `Callback`."""
        from tensorboard.plugins import projector

        self._writer.close()
        images = draw_binary(self._images) if result.config.binarize == "dynamic" else self._images
        means, _ = result.model.encode(preprocess(images, result.config.binarize_at))
        lines = ("\t".join(f"{number:.6g}" for number in mean) for mean in means.numpy())
        write_file(self._folder / "latents.tsv", "\n".join([*lines, ""]).encode())
        write_file(self._folder / "sprite.png", encode_png(image_grid(self._images, padding=0)))
        config = projector.ProjectorConfig()
        embedding = config.embeddings.add()
        embedding.tensor_name = "means of q(z|x), test images"
        embedding.tensor_path = "latents.tsv"
        embedding.sprite.image_path = "sprite.png"
        height, width, _ = result.config.model.image_shape
        embedding.sprite.single_image_dim.extend([width, height])
        projector.visualize_embeddings(str(self._folder), config)
