"""Write Python's results for the web page's tests, to runtime/js/tests/page/golden: python scripts/page_golden.py."""

import json
from pathlib import Path

import cvae_runtime as cvae
import cvae_runtime.files

GOLDEN = Path(__file__).parents[1] / "runtime" / "js" / "tests" / "page" / "golden"
SEED = 7

if __name__ == "__main__":
    with cvae.load() as model:
        samples = cvae.to_uint8(model.generate(64, seed=SEED))
        scores = model.score(samples[:1])
        way = model.interpolate(*model.latents(2, seed=SEED), steps=9, method="spherical")
        seen = model.reconstruct(samples[:1])
    # As drawn by `cvae-generate -n 64 --seed 7`.
    cvae.files.write_file(GOLDEN / "samples.png", cvae.encode_png(cvae.image_grid(samples, scale=2)))
    cvae.files.write_file(
        GOLDEN / "way.png", cvae.encode_png(cvae.image_grid(cvae.to_uint8(way), columns=9, padding=2))
    )
    cvae.files.write_file(GOLDEN / "picture.png", cvae.encode_png(samples[0]))
    cvae.files.write_file(GOLDEN / "reconstruction.png", cvae.encode_png(cvae.to_uint8(seen)[0]))
    numbers = {name: float(getattr(scores, name)[0]) for name in ("elbo", "reconstruction", "kl")}
    cvae.files.write_file(GOLDEN / "scores.json", (json.dumps(numbers, indent=2, allow_nan=False) + "\n").encode())
