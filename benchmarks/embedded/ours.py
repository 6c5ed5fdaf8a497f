"""cvae_runtime with the defaults of ``load()``."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from . import _serve


class Ours:
    """See `_serve.Runtime`."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        import cvae_runtime

        self._cvae = cvae_runtime
        self._model = cvae_runtime.load(folder / "packaged", provider="cpu")
        self.threads = str(self._model.threads)
        self.about = f"onnxruntime {onnxruntime.__version__}, {self._model.graphs['decoder'].file}"

    def first(self) -> np.ndarray:
        """The image of seed 0."""
        return self._model.generate(1, seed=0)

    def latents(self, seed: int, first: int, count: int, latent_dim: int) -> np.ndarray:
        """Latents of the prior's stream."""
        return self._cvae.prior_latents(seed, first, count, latent_dim)

    def batch(self, count: int) -> np.ndarray:
        """Latents of seed 1."""
        return self._cvae.prior_latents(1, 0, count, self._model.latent_dim)

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Decode latents to images."""
        return self._model.decode(z)

    def run(self, bundle: Path, file: str, data: bytes) -> Mapping[str, np.ndarray]:
        """Run a graph and return its outputs; it must be the one that ``load`` chooses from the bundle."""
        with self._cvae.load(bundle, provider="cpu") as model:
            role = next((role for role, graph in model.graphs.items() if graph.file == file), None)
            if role == "encoder":
                posterior = model.encode(np.frombuffer(data, np.uint8).reshape(-1, *model.image_shape))
                return {"mean": posterior.mean, "logvar": posterior.logvar}
            if role == "decoder":
                return {"probs": model.decode(np.frombuffer(data, "<f4").reshape(-1, model.latent_dim))}
            raise LookupError(f"it takes {', '.join(graph.file for graph in model.graphs.values())} of that bundle")

    def bytes(self) -> int:
        """Size of the installation, without the models and the web page in the package."""
        from benchmarks._installed import installed_bytes, requirements

        package = Path(self._cvae.__file__).parent
        left_out = {"bundles", "page", "__pycache__"}
        own = [p for p in package.rglob("*") if p.is_file() and not left_out & {*p.relative_to(package).parts}]
        required = requirements("cvae-toolkit", ("cpu",)) - {"cvae-toolkit"}
        return installed_bytes(required) + sum(path.stat().st_size for path in own)


if __name__ == "__main__":
    _serve.main(Ours)
