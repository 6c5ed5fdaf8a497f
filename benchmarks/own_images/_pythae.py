"""Program for an interpreter with pythae: train its VAE for some minutes and reconstruct the test images.

    PYTHON benchmarks/own_images/_pythae.py IMAGES.npz OUT.npz --minutes M --latent-dim L --learning-rate R

It uses pythae's convolutional network for the size of the images, and the defaults of pythae's model and trainer except
for the learning rate: squared error, Adam, batches of 64. The trainer is stopped after the minutes, within an epoch if
need be. The weights of best validation loss are kept, as pythae does.

OUT.npz receives ``reconstructions``, float32 (N, H, W, C) in [0, 1], decoded at the means of the latents, and
``samples``. A JSON file of the same name receives the number of epochs and steps, and versions.
"""

import argparse
import copy
import importlib.metadata
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

DECODED_AT_A_TIME, SAMPLES = 64, 20


class _TimeUpError(Exception):
    """The minutes are over."""


def _networks(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Classes of pythae's encoder and decoder for images of a shape (C, H, W)."""
    if shape == (3, 64, 64):
        from pythae.models.nn.benchmarks.celeba import Decoder_Conv_AE_CELEBA, Encoder_Conv_VAE_CELEBA

        return Encoder_Conv_VAE_CELEBA, Decoder_Conv_AE_CELEBA
    if shape == (1, 28, 28):
        from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_VAE_MNIST

        return Encoder_Conv_VAE_MNIST, Decoder_Conv_AE_MNIST
    raise SystemExit(f"pythae: expected images (3, 64, 64) or (1, 28, 28), for which it has networks, found {shape}")


def train(images: dict[str, np.ndarray], minutes: float, latent_dim: int, rate: float) -> tuple[Any, dict[str, int]]:
    """Train pythae's VAE on ``train``; return it in evaluation mode, and how far it came.

    The time includes validation after each epoch, except the last one. It does not include imports.
    """
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    torch.manual_seed(0)
    shape = images["train"].shape[1:]
    encoder, decoder = _networks(shape)
    settings = VAEConfig(input_dim=shape, latent_dim=latent_dim)
    model = VAE(settings, encoder=encoder(settings), decoder=decoder(settings))
    parts = {
        name: BaseDataset(torch.from_numpy(images[name]), torch.zeros(len(images[name])))
        for name in ("train", "validation")
    }
    steps = 0
    end = time.monotonic() + 60 * minutes

    class Clock(TrainingCallback):
        """Stop the trainer when the time is up."""

        def on_train_step_end(self, *_: Any, **__: Any) -> None:
            nonlocal steps
            steps += 1
            if time.monotonic() >= end:
                raise _TimeUpError

    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(output_dir=folder, learning_rate=rate, no_cuda=True)
        trainer = BaseTrainer(model, parts["train"], parts["validation"], config, callbacks=[Clock()])
        trainer.prepare_training()
        least, best, over = float("inf"), model.state_dict(), False
        for epoch in itertools.count(1):
            try:
                trainer.train_step(epoch)
            except _TimeUpError:
                over = True
            loss = trainer.eval_step(epoch)
            if loss < least:
                least, best = loss, copy.deepcopy(model.state_dict())
            print(f"epoch {epoch}, {steps} steps, validation loss {loss:.3f}", flush=True)
            if over:
                break
    model.load_state_dict(best)
    return model.eval(), {"epochs": epoch, "steps": steps}


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--latent-dim", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    given = parser.parse_args()
    with np.load(given.images) as file:
        images = {name: np.moveaxis(file[name], -1, 1) / np.float32(255) for name in file.files}
    model, came = train(images, given.minutes, given.latent_dim, given.learning_rate)

    import torch

    with torch.no_grad():
        decoded = [
            model.decoder(model.encoder(part).embedding).reconstruction.numpy()
            for part in torch.from_numpy(images["test"]).split(DECODED_AT_A_TIME)
        ]
        samples = model.decoder(torch.randn(SAMPLES, given.latent_dim)).reconstruction.numpy()
    arrays = {"reconstructions": np.concatenate(decoded), "samples": samples}
    np.savez(given.out, **{name: np.moveaxis(array, 1, -1) for name, array in arrays.items()})
    versions = {name: importlib.metadata.version(name) for name in ("pythae", "torch")}
    given.out.with_suffix(".json").write_text(json.dumps({**came, "versions": versions}))


if __name__ == "__main__":
    main()
