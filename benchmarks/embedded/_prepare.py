"""Write the files that the programs need: the notebook's bundle, one with portable graphs only, and latents."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import numpy as np

import cvae_runtime
import cvae_runtime.bundle
from benchmarks._notebook import BUNDLE

JAVASCRIPT = Path(__file__).parents[2] / "runtime" / "js"


def prepare(folder: Path, most: int) -> cvae_runtime.Bundle:
    """Write ``packaged/``, ``portable/``, ``first.f32``, and ``batch.f32`` of ``most`` latents; return a bundle."""
    bundle = cvae_runtime.read_bundle(BUNDLE)
    portable = tuple(g for g in bundle.manifest.graphs if (g.target, g.precision) == ("portable", "float32"))
    for name, manifest in (
        ("packaged", bundle.manifest),
        ("portable", dataclasses.replace(bundle.manifest, graphs=portable)),
    ):
        (folder / name).mkdir()
        for file, data in bundle.files.items():
            (folder / name / file).write_bytes(data)
        (folder / name / cvae_runtime.bundle.MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    length = bundle.manifest.model.latent_dim
    for name, z in (("first", _latents(0, 1, length)), ("batch", _latents(1, most, length))):
        (folder / f"{name}.f32").write_bytes(z.astype("<f4").tobytes())
    return bundle


def _latents(seed: int, count: int, length: int) -> np.ndarray:
    return cvae_runtime.prior_latents(seed, 0, count, length)


def build_javascript() -> str | None:
    """Compile cvae-runtime as for npm; return None, or the reason if it is impossible."""
    node = shutil.which("node")
    if node is None:
        return "not installed: Node.js, 20.19 or later"
    compiler = JAVASCRIPT / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.exists():
        return "not installed: runtime/js/node_modules; npm install in runtime/js"
    built = subprocess.run(
        [node, str(compiler), "--project", "tsconfig.build.json"],
        cwd=JAVASCRIPT,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"runtime/js does not compile: {built.stdout.strip()[-300:]}" if built.returncode else None
