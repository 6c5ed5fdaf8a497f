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


def read_info(bundle: Path) -> dict[str, Any]:
    """Read what the manifest says about the model, and exit if this program cannot use it."""
    path = bundle / "manifest.json"
    if not path.is_file():
        sys.exit(f"{bundle}: expected a bundle, a folder with manifest.json; cvae-export makes one")
    manifest = json.loads(path.read_text())
    if manifest["format"] not in (1, 2):
        sys.exit(
            f"{path}: expected format 1 or 2, found {manifest['format']}; "
            f"use the version of cvae-toolkit that wrote it, or export the bundle again"
        )
    info: dict[str, Any] = manifest["model"]
    if info["likelihood"] != "bernoulli":
        sys.exit(
            f"{bundle}: expected the likelihood bernoulli, found {info['likelihood']}; "
            f"docs/formats.md has the formulas of the others"
        )
    return info


def index_of(label: str | None, names: list[str]) -> int:
    """Return the index of a class, or the number of classes for no label. Exit if the model does not have the class."""
    if label not in (None, *names):
        known = f"one of {', '.join(names)}" if names else "none, since the model has no labels"
        sys.exit(f"--label: expected {known}; found {label!r}")
    return len(names) if label is None else names.index(label)


class Model:
    """The portable graphs of a bundle, compiled by OpenVINO, for one class of a model with labels."""

    def __init__(self, bundle: Path, device: str = "CPU", label: str | None = None) -> None:
        self.info = read_info(bundle)
        self._label = index_of(label, self.info.get("labels", []))
        core = ov.Core()
        # On processors with bfloat16, OpenVINO would use it and exceed the golden vectors' tolerance.
        options = {"INFERENCE_PRECISION_HINT": "f32"}
        roles = ["encoder", "decoder", *(["prior", "prior_density"] if "prior" in self.info else [])]
        self._graphs = {role: core.compile_model(bundle / f"{role}.onnx", device, options) for role in roles}

    def encode(self, images: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Encode raw pixels (N, H, W, C) to the mean and the logvar of q(z|x), (N, L) each."""
        results = self._run("encoder", "images", images)
        return results["mean"], results["logvar"]

    def decode(self, z: Floats) -> Floats:
        """Decode latents (N, L) to the expected images (N, H, W, C), in [0, 1]."""
        probs: Floats = self._run("decoder", "z", z)["probs"]
        return probs

    def _run(self, role: str, name: str, items: NDArray[Any]) -> Any:
        """Run a graph, and feed the class of each item if the model has labels."""
        labels = {"label": np.full(len(items), self._label, np.int64)} if "labels" in self.info else {}
        return self._graphs[role]({name: items, **labels})

    def generate(self, count: int, seed: int) -> Floats:
        """Draw the first samples of the stream that ``seed`` determines."""
        z = normals(seed, 0, count, self.info["latent_dim"])
        if "prior" in self._graphs:  # a learned prior maps this noise to latents
            z = self._run("prior", "noise", z)["z"]
        return self.decode(z)

    def score(self, images: NDArray[np.uint8], seed: int = 0) -> NDArray[np.float64]:
        """Compute the ELBO of each image under the Bernoulli likelihood, with one draw, in nats."""
        mean, logvar = self.encode(images)
        noise = normals(seed, 0, len(mean), self.info["latent_dim"], POSTERIOR)
        z = mean + np.exp(logvar / 2) * noise
        p = np.clip(self.decode(z).astype(np.float64), 1e-7, 1 - 1e-7)
        # The targets of the likelihood are the pixels as preprocessed by the encoder.
        at, scale = self.info["preprocessing"]["binarize_at"], self.info["preprocessing"]["scale"]
        x = (images >= at).astype(np.float64) if at is not None else images / scale
        log_p = (x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=(1, 2, 3))
        m, v = mean.astype(np.float64), logvar.astype(np.float64)
        if "prior_density" in self._graphs:  # a learned prior has no KL in closed form
            log_q = -(np.log(2 * np.pi) + v + noise.astype(np.float64) ** 2).sum(axis=1) / 2
            return log_p + self._run("prior_density", "z", z)["log_prob"] - log_q
        return log_p - (np.exp(v) + m**2 - 1 - v).sum(axis=1) / 2


def main() -> None:
    """Draw a picture of samples above their reconstructions, and print the ELBO of each."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bundle", type=Path, help="a bundle's folder")
    parser.add_argument("picture", type=Path, help="the picture to write, PNG")
    parser.add_argument("--count", type=int, default=8, help="how many samples; 8 if not given")
    parser.add_argument("--seed", type=int, default=0, help="unsigned 64-bit number; 0 if not given")
    parser.add_argument("--label", help="the class of the samples, of a model with labels; no label if not given")
    arguments = parser.parse_args()
    if arguments.count < 1 or not 0 <= arguments.seed < 1 << 64:
        parser.error(f"count must be at least 1 and seed 0 to {(1 << 64) - 1}")

    model = Model(arguments.bundle, label=arguments.label)
    pixels = np.rint(255 * model.generate(arguments.count, arguments.seed)).astype(np.uint8)
    again = np.rint(255 * model.decode(model.encode(pixels)[0])).astype(np.uint8)
    for index, elbo in enumerate(model.score(pixels)):
        print(f"sample {index}  ELBO {elbo:.3f} nats")

    rows = np.stack([pixels, again])[..., 0]  # Bernoulli pixels have one channel
    Image.fromarray(rows.transpose(0, 2, 1, 3).reshape(2 * rows.shape[2], -1)).save(arguments.picture)


if __name__ == "__main__":
    main()
