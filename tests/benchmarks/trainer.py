"""Stand-ins for the commands that `own_images` starts.

python trainer.py DATA --minutes M --run RUN [--architecture notebook]      cvae-train: a tiny model
python trainer.py IMAGES.npz OUT.npz --minutes=M --latent-dim=L --learning-rate=R      pythae: grey images
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import cvae_train

LATENTS = 3


def train(data, run, minutes, architecture):
    images = cvae_train.load_data(data, quiet=True)
    filters = (4, 8) if architecture == "residual" else (4,)
    model = cvae_train.ModelConfig(images.image_shape, LATENTS, filters, "discretized-logistic-mixture", architecture)
    config = cvae_train.TrainConfig(
        model, epochs=30, batch_size=4, learning_rate=1e-2, binarize="none", validation_fraction=0.25, patience=2
    )
    cvae_train.train(images, config, run, quiet=True)
    print(f"trained for {minutes:g} minutes")


def reconstruct(images, out, options):
    with np.load(images) as file:
        assert sorted(file.files) == ["test", "train", "validation"]
        test = file["test"]
    grey = np.full(test.shape, 0.5, np.float32)
    np.savez(out, reconstructions=grey, samples=grey[:1])
    out.with_suffix(".json").write_text(json.dumps({"epochs": 1, "steps": 2, "versions": {}, "given": options}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path, nargs="?")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--architecture", default="residual")
    parser.add_argument("--latent-dim", type=int)
    parser.add_argument("--learning-rate")
    given = parser.parse_args()
    if given.minutes == 13:
        sys.exit("no luck")
    if given.second is None:
        train(given.first, given.run, given.minutes, given.architecture)
    else:
        reconstruct(given.first, given.second, [given.latent_dim, given.learning_rate])


if __name__ == "__main__":
    main()
