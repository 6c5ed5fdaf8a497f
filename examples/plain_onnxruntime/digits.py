"""Draw eight samples of a bundle's model above their reconstructions, with onnxruntime and numpy only."""

import argparse
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # otherwise onnxruntime sends telemetry once it is imported
import onnxruntime as ort

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("bundle", type=Path, help="a bundle's folder, with encoder.onnx and decoder.onnx")
parser.add_argument("picture", type=Path, help="the picture to write: .pgm, or .ppm if the model is in colour")
arguments = parser.parse_args()
files = [arguments.bundle / "encoder.onnx", arguments.bundle / "decoder.onnx"]
if missing := [str(file) for file in files if not file.is_file()]:
    parser.error(f"expected a bundle, a folder that cvae-export made; there is no {' and no '.join(missing)}")

options = ort.SessionOptions()
options.add_session_config_entry("session.load_model_format", "ONNX")  # otherwise the file's content decides
encoder, decoder = (ort.InferenceSession(file, options, providers=["CPUExecutionProvider"]) for file in files)
_, height, width, channels = encoder.get_inputs()[0].shape
_, latent_dim = decoder.get_inputs()[0].shape

# NumPy's normal numbers: not the samples that the bundle's specified generator draws for this seed.
z = np.random.default_rng(0).standard_normal((8, latent_dim), np.float32)
(samples,) = decoder.run(["probs"], {"z": z})  # float32 (8, H, W, C), in [0, 1]

pixels = np.rint(255 * samples).astype(np.uint8)  # the encoder takes raw pixels, and scales them itself
mean, logvar = encoder.run(["mean", "logvar"], {"images": pixels})
(again,) = decoder.run(["probs"], {"z": mean})

rows = np.stack([pixels, np.rint(255 * again).astype(np.uint8)])  # (2, 8, H, W, C)
picture = rows.transpose(0, 2, 1, 3, 4).reshape(2 * height, 8 * width, channels)
header = f"P{5 if channels == 1 else 6} {8 * width} {2 * height} 255\n"
arguments.picture.write_bytes(header.encode() + picture.tobytes())
