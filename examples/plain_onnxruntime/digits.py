"""Draw eight samples of a bundle's model above their reconstructions, with onnxruntime and numpy only."""

import argparse
import json
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # otherwise onnxruntime sends telemetry once it is imported
import onnxruntime as ort

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("bundle", type=Path, help="a bundle's folder")
parser.add_argument("picture", type=Path, help="the picture to write: .pgm, or .ppm if the model is in colour")
parser.add_argument("--label", help="the class of the samples, of a model with labels; no label if not given")
arguments = parser.parse_args()
bundle = arguments.bundle
if not (bundle / "manifest.json").is_file():
    parser.error(f"{bundle}: expected a bundle, a folder with manifest.json; cvae-export makes one")
manifest = json.loads((bundle / "manifest.json").read_text())
if manifest["format"] not in (1, 2):
    parser.error(
        f"{bundle / 'manifest.json'}: expected format 1 or 2, found {manifest['format']}; "
        f"use the version of cvae-toolkit that wrote it, or export the bundle again"
    )
model = manifest["model"]
names = model.get("labels", [])
if arguments.label not in (None, *names):
    known = f"one of {', '.join(names)}" if names else "none, since the model has no labels"
    parser.error(f"--label: expected {known}; found {arguments.label!r}")

options = ort.SessionOptions()
options.add_session_config_entry("session.load_model_format", "ONNX")  # otherwise the file's content decides
roles = ["decoder", *(["prior"] if "prior" in model else [])]
if (bundle / "encoder.onnx").is_file():
    roles.append("encoder")
graphs = {
    role: ort.InferenceSession(bundle / f"{role}.onnx", options, providers=["CPUExecutionProvider"]) for role in roles
}

# The input of all graphs of a model with labels. The number of classes stands for "no label".
label = len(names) if arguments.label is None else names.index(arguments.label)
labels = {"label": np.full(8, label, np.int64)} if names else {}

# NumPy's normal numbers: not the samples that the bundle's specified generator draws for this seed.
z = np.random.default_rng(0).standard_normal((8, model["latent_dim"]), np.float32)
if "prior" in graphs:  # a learned prior maps this noise to latents
    (z,) = graphs["prior"].run(["z"], {"noise": z, **labels})
(samples,) = graphs["decoder"].run(["probs"], {"z": z, **labels})  # float32 (8, H, W, C), in [0, 1]

pixels = np.rint(255 * samples).astype(np.uint8)
rows = pixels[np.newaxis]  # (1, 8, H, W, C)
if "encoder" in graphs:  # it takes raw pixels, and scales them itself
    mean, logvar = graphs["encoder"].run(["mean", "logvar"], {"images": pixels, **labels})
    (again,) = graphs["decoder"].run(["probs"], {"z": mean, **labels})
    rows = np.stack([pixels, np.rint(255 * again).astype(np.uint8)])  # (2, 8, H, W, C)

height, width, channels = model["image_shape"]
picture = rows.transpose(0, 2, 1, 3, 4).reshape(-1, 8 * width, channels)
header = f"P{5 if channels == 1 else 6} {8 * width} {len(picture)} 255\n"
arguments.picture.write_bytes(header.encode() + picture.tobytes())
