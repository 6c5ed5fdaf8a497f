"""Sample, reconstruct and score with a bundle in OpenVINO: ``python digits.py BUNDLE PICTURE.png``."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from PIL import Image
from threefry import POSTERIOR, normals

Floats = NDArray[np.float32]


class Model:
    """The portable graphs of a bundle, compiled by OpenVINO."""

    def __init__(self, bundle: Path, device: str = "CPU") -> None:
        self.info: dict[str, Any] = json.loads((bundle / "manifest.json").read_text())["model"]
        core = ov.Core()
        # On processors with bfloat16, OpenVINO would use it and exceed the golden vectors' tolerance.
        options = {"INFERENCE_PRECISION_HINT": "f32"}
        self._encoder = core.compile_model(bundle / "encoder.onnx", device, options)
        self._decoder = core.compile_model(bundle / "decoder.onnx", device, options)

    def encode(self, images: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Encode raw pixels (N, H, W, C) to the mean and the logvar of q(z|x), (N, L) each."""
        results = self._encoder({"images": images})
        return results["mean"], results["logvar"]

    def decode(self, z: Floats) -> Floats:
        """Decode latents (N, L) to the expected images (N, H, W, C), in [0, 1]."""
        probs: Floats = self._decoder({"z": z})["probs"]
        return probs

    def generate(self, count: int, seed: int) -> Floats:
        """Draw the first samples of the stream that ``seed`` determines."""
        return self.decode(normals(seed, 0, count, self.info["latent_dim"]))

    def score(self, images: NDArray[np.uint8], seed: int = 0) -> NDArray[np.float64]:
        """Compute the ELBO of each image under the Bernoulli likelihood, with one draw, in nats."""
        mean, logvar = self.encode(images)
        z = mean + np.exp(logvar / 2) * normals(seed, 0, len(mean), self.info["latent_dim"], POSTERIOR)
        p = np.clip(self.decode(z).astype(np.float64), 1e-7, 1 - 1e-7)
        # The targets of the likelihood are the pixels as preprocessed by the encoder.
        at, scale = self.info["preprocessing"]["binarize_at"], self.info["preprocessing"]["scale"]
        x = (images >= at).astype(np.float64) if at is not None else images / scale
        log_p = (x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=(1, 2, 3))
        m, v = mean.astype(np.float64), logvar.astype(np.float64)
        return log_p - (np.exp(v) + m**2 - 1 - v).sum(axis=1) / 2


def main() -> None:
    """Draw a picture of samples above their reconstructions, and print the ELBO of each."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bundle", type=Path, help="a bundle's folder")
    parser.add_argument("picture", type=Path, help="the picture to write, PNG")
    parser.add_argument("--count", type=int, default=8, help="how many samples; 8 if not given")
    parser.add_argument("--seed", type=int, default=0, help="unsigned 64-bit number; 0 if not given")
    arguments = parser.parse_args()
    if not (arguments.bundle / "manifest.json").is_file():
        sys.exit(f"{arguments.bundle}: expected a bundle, a folder with manifest.json; cvae-export makes one")
    if arguments.count < 1 or not 0 <= arguments.seed < 1 << 64:
        parser.error(f"count must be at least 1 and seed 0 to {(1 << 64) - 1}")

    model = Model(arguments.bundle)
    if model.info["likelihood"] != "bernoulli":
        sys.exit(
            f"{arguments.bundle}: expected the likelihood bernoulli, found {model.info['likelihood']}; "
            f"docs/formats.md has the formula of the other"
        )
    pixels = np.rint(255 * model.generate(arguments.count, arguments.seed)).astype(np.uint8)
    again = np.rint(255 * model.decode(model.encode(pixels)[0])).astype(np.uint8)
    for index, elbo in enumerate(model.score(pixels)):
        print(f"sample {index}  ELBO {elbo:.3f} nats")

    rows = np.stack([pixels, again])[..., 0]  # Bernoulli pixels have one channel
    Image.fromarray(rows.transpose(0, 2, 1, 3).reshape(2 * rows.shape[2], -1)).save(arguments.picture)


if __name__ == "__main__":
    main()
