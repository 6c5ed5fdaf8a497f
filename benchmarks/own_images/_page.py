"""Write what docs/experiments.md takes over: tables, pictures, histories; and one JSON file with all records."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cvae_runtime import image_grid
from cvae_runtime.files import make_folder, write_file
from cvae_runtime.images import encode_png, read_npz

from .._table import markdown_table
from ._record import NOTEBOOK, OURS, Record, folder_of, machine_of
from ._sets import SETS, Row, pythae_of, verdict

PLACE = "own-images"  # folder of pictures and histories below docs/images and docs/histories
_COLUMNS, _SIDE = 10, 64  # images in a row of a picture; least pixels of an image


def write_results(out: Path, rows: Mapping[str, Row]) -> str:
    """Write ``own_images.json`` and the folder ``docs``; return the tables as Markdown."""
    records = [dataclasses.asdict(record) for row in rows.values() for record in row.values()]
    write_file(out / "own_images.json", f"{json.dumps(records, indent=1, allow_nan=False)}\n".encode())
    docs = out / "docs"
    for name, row in rows.items():
        picture, history = docs / "images" / PLACE / f"{name}.png", docs / "histories" / PLACE / f"{name}.csv"
        for path in (picture, history):
            make_folder(path.parent)
        write_file(picture, encode_png(_picture(out, name, row)))
        write_file(history, (folder_of(out, name, OURS) / "run" / "history.csv").read_bytes())
    text = tables(rows)
    write_file(docs / f"{PLACE}.md", f"{text}\n".encode())
    return text


def tables(rows: Mapping[str, Row]) -> str:
    """The tables of likelihoods, reconstructions, targets and recipes, and the pictures, as Markdown."""
    likelihoods = [["set", "images", "minutes", "bits/dim", "notebook's network", "PCA", "histogram", "kept epoch"]]
    likelihoods[0] += ["peak memory", "machine"]
    similar = [["set", "PSNR, dB", "notebook's network", "pythae", "SSIM", "notebook's network", "pythae"]]
    targets = [["set", "to reach", "reached"]]
    recipes, pictures = [["set", "recipe"]], []
    for name, row in rows.items():
        ours, notebook, pythae = row[OURS], row.get(NOTEBOOK), pythae_of(row)
        figures = ours.figures
        likelihoods.append(
            [
                f"[{name}](histories/{PLACE}/{name}.csv)",
                " + ".join(f"{figures['images'][part]:,}" for part in ("train", "validation", "test")),
                f"{ours.minutes:g}",
                _figure(ours, "bits_per_dimension", 3),
                _figure(notebook, "bits_per_dimension", 3),
                _figure(ours, "pca_bits_per_dimension", 3),
                _figure(ours, "histogram_bits_per_dimension", 3),
                f"{figures['epoch']} of {len(ours.history)}",
                f"{ours.megabytes:,.0f} MB",
                machine_of(ours.environment),
            ]
        )
        both = [
            _figure(each, key, digits)
            for key, digits in (("psnr", 2), ("ssim", 3))
            for each in (ours, notebook, pythae)
        ]
        similar.append([name, *both])
        targets += [[name, target.text, verdict(target, row)] for target in SETS[name].targets]
        recipes.append([name, _recipe(ours.recipe["config"])])
        pictures.append(f"![{name}: {SETS[name].what}](images/{PLACE}/{name}.png)")
    rank = [
        f"Ranks of the odd images of {name}: {', '.join(map(str, sorted(ranks)))}."
        for name, row in rows.items()
        if (ranks := row[OURS].figures["odd_ranks"])
    ]
    return "\n\n".join([*map(markdown_table, (likelihoods, similar, targets, recipes)), *rank, *pictures])


def _figure(record: Record | None, name: str, digits: int) -> str:
    value = None if record is None else record.figures.get(name)
    return "-" if value is None else f"{value:.{digits}f}"


def _recipe(config: Mapping[str, Any]) -> str:
    model = config["model"]
    height, width, channels = model["image_shape"]
    parts = [
        f"{width}x{height}x{channels}",
        f"{model['architecture']} {','.join(map(str, model['filters']))}",
        f"{model['latent_dim']} latents",
        model["likelihood"],
        f"batch {config['batch_size']}",
        f"rate {config['learning_rate']:g}",
        f"{config['epochs']:,} epochs",
        f"validation {config['validation_fraction']:.2g}",
    ]
    return ", ".join(parts)


def _picture(out: Path, name: str, row: Row) -> np.ndarray:
    """Originals above reconstructions (ours, the notebook's network's, pythae's); below a white band, our samples."""
    shown = [row[OURS], row.get(NOTEBOOK), pythae_of(row)]
    names = [record.contender for record in shown if record is not None]
    files = [folder_of(out, name, contender) / "picture.npz" for contender in names]
    (originals, samples), *_ = (read_npz(file, ["originals", "samples"]) for file in files)
    decoded = [read_npz(file, ["reconstructions"])[0] for file in files]
    scale = max(1, _SIDE // max(originals.shape[1:3]))
    columns = min(_COLUMNS, len(originals))
    above = image_grid(np.concatenate([originals, *decoded]), columns, scale=scale)
    below = image_grid(samples, columns, scale=scale)
    band = np.full((_SIDE // 8, *above.shape[1:]), 255, np.uint8)
    return np.concatenate([above, band, below])
