"""Program in a process of its own, because of TensorFlow's memory: images of a run, and figures of reconstructions.

    python -m benchmarks.own_images._score images RUN OUT.npz
    python -m benchmarks.own_images._score run RUN OUT [--odd DATA PATH ...]
    python -m benchmarks.own_images._score reconstructions RUN NPZ OUT

``images`` writes the arrays ``train``, ``validation`` and ``test`` of a run, uint8 (N, H, W, C). The others write
``figures.json`` and ``picture.npz`` into the folder OUT.
"""

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import cvae_runtime
import cvae_train
from cvae_runtime.bundle import Preprocessing
from cvae_runtime.elbo import EVALUATION_SEED, score_images
from cvae_runtime.files import write_file
from cvae_runtime.images import evenly_spaced, find_images, npz_bytes, read_images, read_npz
from cvae_train._data import held_out

PAIRS, SAMPLES = 10, 20
VALIDATION = 0.1  # of the training part, for a peer of a run without validation
_AT_A_TIME = 250  # images; bounds the memory


def images_of(run: Path) -> dict[str, np.ndarray]:
    """The parts that a run was trained on, validated with and tested on."""
    config, info = cvae_train.RunFolder(run).read_config()
    height, width, channels = config.model.image_shape
    options = dataclasses.replace(info.options, image_size=(height, width), channels=channels)
    data = cvae_train.load_data(info.source, options, quiet=True)
    if data.validation is not None:
        return {"train": data.train, "validation": data.validation, "test": data.test}
    chosen = held_out([str(index) for index in range(len(data.train))], config.validation_fraction or VALIDATION)
    return {"train": data.train[~chosen], "validation": data.train[chosen], "test": data.test}


def _likeness(images: np.ndarray, reconstructions: np.ndarray) -> dict[str, float | None]:
    cvae_train.import_tensorflow()
    from cvae_train._evaluate import mean_likeness

    batches = [slice(start, start + _AT_A_TIME) for start in range(0, len(images), _AT_A_TIME)]
    found = mean_likeness((images[batch], reconstructions[batch]) for batch in batches)
    return dict(zip(("psnr", "ssim"), found, strict=True))


def score_run(run: Path, odd: Sequence[str] = (), data: Path | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of a run on its test part, and the images of its picture.

    Args:
        run: the run folder.
        odd: paths of odd images below ``data``.
        data: the folder whose images are ranked by their ELBO, lowest first.
    """
    result, parts = cvae_train.load_run(run), images_of(run)
    model, config, test = result.model, result.config, parts["test"]
    train = np.concatenate([parts["train"], parts["validation"]])  # of the simple models, which need no validation
    evaluation = cvae_train.evaluate(model, test, config.binarize, samples=1, train=train)
    baselines = evaluation.baselines

    def bits(nats: float | None) -> float | None:
        return None if nats is None else config.model.bits_per_dimension(nats)

    reconstructions = np.concatenate(
        [
            _reconstruct(model, test[start : start + _AT_A_TIME], config.binarize_at)
            for start in range(0, len(test), _AT_A_TIME)
        ]
    )
    latents = cvae_runtime.prior_latents(0, 0, SAMPLES, config.model.latent_dim)
    figures = {
        "bits_per_dimension": evaluation.bits_per_dimension,
        "histogram_bits_per_dimension": bits(baselines.histogram if baselines else None),
        "pca_bits_per_dimension": bits(baselines.pca if baselines else None),
        "elbo": evaluation.elbo,
        "kl": evaluation.kl,
        "active_units": evaluation.active_units,
        "psnr": evaluation.psnr,
        "ssim": evaluation.ssim,
        "odd_ranks": _ranks(result, data, odd) if data is not None and odd else None,
        "likelihood": config.model.likelihood,
        "epoch": result.epoch,
        "best_epoch": result.to_json()["best_epoch"],
        "images": {name: len(images) for name, images in parts.items()},
    }
    return figures, _picture(test, reconstructions, model.sample(latents).numpy())


def _reconstruct(model: cvae_train.CVAE, images: np.ndarray, binarize_at: int | None) -> np.ndarray:
    """Expected images at the means of the latents, float32 in [0, 1]."""
    found: np.ndarray = model.decode(
        model.encode(cvae_train.preprocess(images, binarize_at))[0], apply_sigmoid=True
    ).numpy()
    return found


def _ranks(result: cvae_train.RunResult, data: Path, odd: Sequence[str]) -> list[int]:
    """Ranks of the odd images by their ELBO among all images of the folder, from 1 for the lowest."""
    model, config = result.model, result.config
    shape, names = config.model.image_shape, [str(name) for name in find_images(data).names]
    images = read_images([data / name for name in names], shape, resize=True, grey=shape[2] == 1)
    elbos = []
    for start in range(0, len(images), _AT_A_TIME):
        part = images[start : start + _AT_A_TIME]
        mean, logvar = (each.numpy() for each in model.encode(cvae_train.preprocess(part, config.binarize_at)))
        scores = score_images(
            part,
            cvae_runtime.Posterior(mean, logvar),
            lambda z: {name: array.numpy() for name, array in model.pixel_parameters(z).items()},
            likelihood=config.model.likelihood,
            preprocessing=Preprocessing(scale=255, binarize_at=config.binarize_at),
            samples=1,
            seed=EVALUATION_SEED,
            first=start,
        )
        elbos.append(scores.elbo)
    rank = {names[index]: place for place, index in enumerate(np.argsort(np.concatenate(elbos)), 1)}
    return [rank[name] for name in odd]


def _picture(test: np.ndarray, reconstructions: np.ndarray, samples: np.ndarray) -> dict[str, np.ndarray]:
    shown = evenly_spaced(len(test), PAIRS)
    return {
        "originals": test[shown],
        "reconstructions": cvae_runtime.to_uint8(reconstructions[shown]),
        "samples": cvae_runtime.to_uint8(samples),
    }


def write_scores(out: Path, figures: Mapping[str, Any], picture: Mapping[str, np.ndarray]) -> None:
    """Write figures and images of a picture into a folder."""
    write_file(out / "picture.npz", npz_bytes(picture, compress=True))
    write_file(out / "figures.json", json.dumps(figures, allow_nan=False).encode())


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_images._score")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, arguments in (("images", ("out",)), ("run", ("out",)), ("reconstructions", ("npz", "out"))):
        command = commands.add_parser(name)
        for argument in ("run", *arguments):
            command.add_argument(argument, type=Path)
    commands.choices["run"].add_argument("--odd", nargs="+", default=[])
    given = parser.parse_args(argv)
    if given.command == "images":
        write_file(given.out, npz_bytes(images_of(given.run)))
    elif given.command == "run":
        data, *odd = given.odd or [None]
        figures, picture = score_run(given.run, odd, None if data is None else Path(data))
        write_scores(given.out, figures, picture)
    else:
        test = images_of(given.run)["test"]
        reconstructions, samples = read_npz(given.npz, ["reconstructions", "samples"])
        write_scores(given.out, _likeness(test, reconstructions), _picture(test, reconstructions, samples))


if __name__ == "__main__":
    main()
