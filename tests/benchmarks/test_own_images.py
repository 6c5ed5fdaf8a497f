import dataclasses
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cvae_train
from benchmarks import _cli, _measure, own_images
from benchmarks._document import DocumentError, read_document
from benchmarks._environment import environment
from benchmarks.own_images import _page, _question, _train
from benchmarks.own_images._comparisons import comparisons
from benchmarks.own_images._record import (
    NOTEBOOK,
    OURS,
    PYTHAE,
    Record,
    folder_of,
    machine_of,
    read_records,
    write_record,
)
from benchmarks.own_images._score import images_of
from benchmarks.own_images._sets import SETS, ImageSet, Target, verdict

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests/benchmarks/trainer.py"

FIGURES = {
    "bits_per_dimension": 4.0,
    "histogram_bits_per_dimension": 7.0,
    "pca_bits_per_dimension": 5.0,
    "psnr": 22.0,
    "ssim": 0.8,
    "odd_ranks": None,
    "likelihood": "discretized-logistic-mixture",
    "epoch": 2,
    "best_epoch": 2,
    "images": {"train": 1000, "validation": 100, "test": 10},
}
RECIPE = {
    "config": {
        "model": {
            "image_shape": [64, 48, 3],
            "architecture": "residual",
            "filters": [16, 32],
            "latent_dim": 12,
            "likelihood": "discretized-logistic-mixture",
        },
        "batch_size": 32,
        "learning_rate": 0.001,
        "epochs": 1234,
        "validation_fraction": 0.1,
    }
}
MACHINE = {"processor": "fast", "flags": ["avx2"], "cores": 2, "machine": "x86_64"}


def record(contender=OURS, name="shapes", *, minutes=5, megabytes=1500.0, where=MACHINE, **figures):
    history = [{"epoch": 1.0}, {"epoch": 2.0}] if contender == OURS else []
    return Record(name, contender, minutes, 301.5, megabytes, FIGURES | figures, RECIPE, history, where)


def row(*records):
    return {each.contender: each for each in records}


def cells(text):
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines()]


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A folder with the set "tiny": 20 grey images, one of them noise."""
    folder = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)
    for number in range(20):
        noise = rng.integers(0, 256, (16, 16), np.uint8)
        pixels = noise if number == 3 else np.full((16, 16), 100 + number, np.uint8)
        path = folder / "tiny" / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture
def tiny(monkeypatch):
    """The set "tiny" instead of the others, and a stand-in for training commands."""
    targets = (Target("odd first", lambda row: row[OURS].figures["odd_ranks"] == [1]), Target("grey squares"))
    sets = {"tiny": ImageSet("tiny", "grey squares", 0.5, (NOTEBOOK, *PYTHAE), targets, ("b/03.png",))}
    monkeypatch.setattr(_question, "SETS", sets)
    monkeypatch.setattr(_page, "SETS", sets)
    monkeypatch.setattr(_train, "TRAIN", (sys.executable, str(STAND_IN)))
    monkeypatch.setattr(_train, "PYTHAE_PROGRAM", STAND_IN)
    return sets


@pytest.fixture
def idle(monkeypatch):
    """Fail the test if a program is started."""
    monkeypatch.setattr(_train, "measured", lambda command, _log: pytest.fail(f"started {command}"))


def ask(progress, out, **options):
    defaults = {"quick": False, "image_sets": [], "peers": None}
    return list(own_images.run(progress=progress, out=out, **defaults | options))


@pytest.mark.usefixtures("tiny")
def test_a_set_from_the_command_line_to_its_page(collected, tmp_path, capsys, progress, monkeypatch):
    out = tmp_path / "out"
    options = ["--sets", str(collected), "--out", str(out), "--peers", "1e-3", "--pythae", sys.executable]
    assert _cli.main(["own_images", "tiny", *options, "--json", str(tmp_path / "r.json")]) == 0
    records = read_records(out, "tiny")
    assert list(records) == [OURS, PYTHAE[0]]
    ours, pythae = records.values()
    assert (ours.set, ours.contender, ours.minutes) == ("tiny", OURS, 0.5)
    assert ours.environment["processor"] == environment()["processor"]
    assert ours.megabytes > 100
    assert ours.seconds > 0
    assert "trained for 0.5 minutes" in (folder_of(out, "tiny", OURS) / "train.log").read_text()
    assert ours.figures["odd_ranks"] == [1]
    assert ours.figures["images"] == {"train": 14, "validation": 4, "test": 2}
    assert ours.figures["likelihood"] == "discretized-logistic-mixture"
    assert [epoch["epoch"] for epoch in ours.history] == list(range(1, len(ours.history) + 1))
    best = max(ours.history, key=lambda epoch: epoch["validation_elbo"])
    assert ours.figures["best_epoch"] == ours.figures["epoch"] == best["epoch"]
    assert ours.figures["bits_per_dimension"] == pytest.approx(-ours.figures["elbo"] / 256 / np.log(2))
    assert str(collected) not in (folder_of(out, "tiny", OURS) / "record.json").read_text()
    assert ours.recipe["config"]["model"]["latent_dim"] == 3

    # The stand-in of pythae reconstructs everything as mid-grey.
    run = folder_of(out, "tiny", OURS) / "run"
    test = images_of(run)["test"]
    errors = ((test / 255 - 0.5) ** 2).mean(axis=(1, 2, 3))
    assert pythae.figures["psnr"] == pytest.approx((-10 * np.log10(errors)).mean(), abs=1e-3)
    assert pythae.figures["given"] == [3, "1e-3"]
    assert pythae.history == []
    assert sorted(path.name for path in folder_of(out, "tiny", PYTHAE[0]).iterdir()) == [
        *("decoded.json", "figures.json", "images.log", "picture.npz", "record.json", "score.log", "train.log")
    ]

    document = read_document(tmp_path / "r.json")
    found = {each.name: each for each in document.questions["own_images"]}
    assert list(found) == [
        *("test bits per dimension", "PSNR of test reconstructions", "SSIM of test reconstructions"),
        *("highest rank of an odd image", "peak memory of the training"),
    ]
    assert found["PSNR of test reconstructions"].entry(PYTHAE[0]).points[0].median == pythae.figures["psnr"]
    said = capsys.readouterr().out
    page = (out / "docs/own-images.md").read_text()
    assert page.strip() in said
    assert [line[1:] for line in cells(page) if line[0] == "tiny" and len(line) == 3] == [
        ["odd first", "yes"],
        ["grey squares", "see the picture"],
    ]
    with Image.open(out / "docs/images/own-images/tiny.png") as picture:
        # 2 images of 16 pixels in a row, enlarged four times: originals and two reconstructions; a band; 10 rows of
        # samples.
        assert picture.size == (2 * 65 + 1, 3 * 65 + 1 + 8 + 10 * 65 + 1)
    history = out / "docs/histories/own-images/tiny.csv"
    assert history.read_bytes() == (run / "history.csv").read_bytes()
    assert [each["contender"] for each in json.loads((out / "own_images.json").read_text())] == [OURS, PYTHAE[0]]

    # Nothing is repeated; a folder of a set can move to other results, which need no sets.
    monkeypatch.setattr(_train, "measured", lambda command, _log: pytest.fail(f"started {command}"))
    again = ask(progress, out, collected=collected, peers=["1e-3"], pythae=sys.executable)
    assert again[:-1] == document.questions["own_images"]
    merged = tmp_path / "merged"
    shutil.copytree(out / "tiny", merged / "tiny")
    assert ask(progress, merged) == again
    assert (merged / "docs/own-images.md").read_text() == page


def test_the_notebooks_network_is_an_option(tiny, tmp_path, monkeypatch):
    started = []

    def measured(command, log):
        started.append(command)
        folder = log.parent
        if command[0] == _train.TRAIN[0] and "--run" in command:
            (folder / "run").mkdir()
            (folder / "run/config.json").write_text(json.dumps({"config": RECIPE["config"], "data": {"source": "x"}}))
            (folder / "run/history.csv").write_text("epoch,elbo,validation_elbo\n1,-2.5,\n")
        (folder / "figures.json").write_text(json.dumps(FIGURES | {"odd_ranks": [1]}))
        return 2.5, 900.0

    monkeypatch.setattr(_train, "measured", measured)
    found = _train.train("tiny", tiny["tiny"], NOTEBOOK, tmp_path / "d", tmp_path, 2.0, None)
    run = str(tmp_path / "tiny/notebook-network/run")
    options = ["--minutes", "2", "--run", run, "--architecture", "notebook"]
    assert started[0] == [*_train.TRAIN, str(tmp_path / "d"), *options]
    assert (found.seconds, found.megabytes, found.recipe["data"]) == (2.5, 900.0, {})
    assert found.history == [{"epoch": 1.0, "elbo": -2.5, "validation_elbo": None}]
    started.clear()
    _train.train("tiny", tiny["tiny"], OURS, tmp_path / "d", tmp_path, 2.0, None)
    assert started[0] == [*_train.TRAIN, str(tmp_path / "d"), "--minutes", "2", "--run", str(tmp_path / "tiny/cvae-train/run")]  # fmt: skip


@pytest.mark.usefixtures("tiny")
def test_failures_and_missing_peers_are_said_and_others_continue(collected, tmp_path, progress, printed):
    (notes,) = ask(progress, tmp_path, collected=collected, minutes=13.0, peers=["1e-4"], pythae=sys.executable)
    log = folder_of(tmp_path, "tiny", OURS) / "train.log"
    expected = [
        f"- tiny: cvae-train: failed: exit code 1: no luck; {log} has the whole output",
        "- tiny: pythae, learning rate 1e-4: skipped: it takes images and number of latents of cvae-train, not trained",
    ]
    assert notes.splitlines() == expected
    assert printed.getvalue().splitlines() == ["training", *expected]
    (notes,) = ask(progress, tmp_path, collected=collected, minutes=13.0, peers=["1e-4"])
    assert notes.splitlines()[1] == (
        "- tiny: pythae, learning rate 1e-4: skipped: no --pythae PYTHON, an interpreter with pythae"
    )


@pytest.mark.usefixtures("tiny", "idle")
def test_other_minutes_or_machines_are_refused(collected, tmp_path, progress):
    here = environment()
    machine = f"{here['processor']} ({machine_of(here)})"
    write_record(tmp_path, record(NOTEBOOK, "tiny", minutes=5.0, where=here))
    (notes,) = ask(progress, tmp_path, collected=collected, peers=["none"])
    assert notes == (
        f"- tiny: cvae-train: refused: {tmp_path}/tiny: expected trainings of 0.5 minutes on {machine}, found 5 minutes on "
        f"{machine}; pass another --out, since only equal times on one machine can be compared"
    )
    write_record(tmp_path, record(NOTEBOOK, "tiny", minutes=0.5, where=here | {"flags": ["avx2"], "cores": 64}))
    (notes,) = ask(progress, tmp_path, collected=collected, peers=["none"])
    assert f"found 0.5 minutes on {here['processor']} (AVX2, 64 cores); pass another --out" in notes


@pytest.mark.usefixtures("tiny")
def test_damaged_records_name_the_file(tmp_path, capsys):
    path = folder_of(tmp_path, "tiny", OURS) / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert _cli.main(["own_images", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"python -m benchmarks own_images: {path}: expected the record of a training, found Expecting property name "
        f"enclosed in double quotes: line 1 column 2 (char 1); remove the file and train again"
    )
    path.write_text('{"set": "tiny"}')
    with pytest.raises(DocumentError, match="missing 8 required positional arguments"):
        read_records(tmp_path, "tiny")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cats"], "argument SET: expected one of shapes, fashion, digits, faces, emoji, photos, found 'cats'"),
        (["--minutes", "0"], "argument --minutes: expected minutes above 0, at most 1440, found '0'"),
        (["--minutes", "x"], "argument --minutes: expected minutes above 0, at most 1440, found 'x'"),
    ],
)
def test_usage_errors(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        _cli.main(["own_images", *arguments, "--out", "somewhere"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"python -m benchmarks own_images: error: {message}"


def test_all_leaves_it_out(monkeypatch):
    asked = []
    monkeypatch.setattr(_cli, "_ask", lambda names, **_: asked.extend(names) or 0)
    assert _cli.main(["all"]) == 0
    assert asked == [name for name in _cli.QUESTIONS if name not in ("own_images", "labels", "detector")]


def test_memory_and_failures_of_a_program(tmp_path):
    # In a process of its own: the process of the tests may hold TensorFlow, whose memory would be counted.
    script = f"""
import pathlib, sys
from benchmarks import _measure
log = pathlib.Path({str(tmp_path / "log")!r})
print(*_measure.measured([sys.executable, "-c", "x = bytearray(300_000_000)"], log))
"""
    root = Path(__file__).parents[2]
    out = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    seconds, megabytes = map(float, out.stdout.split())
    assert 300 < megabytes < 1000
    assert seconds > 0
    with pytest.raises(_measure.ContenderError) as caught:
        _measure.measured([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log")
    assert (caught.value.status, str(caught.value)) == (
        *("failed", f"exit code 3: no message; {tmp_path / 'log'} has the whole output"),
    )


def test_an_interrupt_ends_the_program(tmp_path, monkeypatch):
    waiting = "import signal, sys; signal.signal(signal.SIGINT, lambda *_: sys.exit('stopped')); print(1, flush=True); signal.pause()"  # fmt: skip
    log = tmp_path / "log"
    ended = []

    class Noted(subprocess.Popen):
        def wait(self, timeout=None):
            ended.append(super().wait(timeout))
            return ended[-1]

    def interrupted(_pid, _options):
        while not log.read_bytes().endswith(b"\n"):
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(_measure.subprocess, "Popen", Noted)
    monkeypatch.setattr(_measure.os, "wait4", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _measure.measured([sys.executable, "-c", waiting], log)
    assert ended == [1]
    assert log.read_text().splitlines() == ["1", "stopped"]


@pytest.mark.parametrize(
    ("names", "fraction", "counts"),
    [
        (("x_train", "x_val", "x_test"), 0.0, [20, 7, 5]),
        (("x_train", "x_test"), 0.25, [15, 5, 5]),
        (("x_train", "x_test"), 0.0, [18, 2, 5]),
    ],
)
def test_parts_are_those_of_the_run(names, fraction, counts, tmp_path):
    sizes = {"x_train": 20, "x_val": 7, "x_test": 5}
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 256, (sizes[name], 8, 8), np.uint8) for name in names}
    np.savez(tmp_path / "data.npz", **arrays)
    data = cvae_train.load_data(tmp_path / "data.npz", quiet=True)
    model = cvae_train.ModelConfig((8, 8, 1))
    config = cvae_train.TrainConfig(model, binarize="static", validation_fraction=fraction).to_json()
    written = {"format": 1, "config": config, "data": dataclasses.asdict(cvae_train.DataInfo.of(data))}
    (tmp_path / "config.json").write_text(json.dumps(written))
    parts = images_of(tmp_path)
    assert list(parts) == ["train", "validation", "test"]
    assert [len(images) for images in parts.values()] == counts
    np.testing.assert_array_equal(parts["test"][..., 0], arrays["x_test"])
    together = np.concatenate([parts["train"], parts["validation"]])
    given = np.concatenate([arrays[name] for name in names[:-1]])
    assert {image.tobytes() for image in together} == {image.tobytes() for image in given}


def test_odd_images_are_those_that_the_script_draws():
    spec = importlib.util.spec_from_file_location("draw_pictures", ROOT / "scripts/draw_pictures.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert list(SETS["shapes"].odd) == [script.path_of(number) for number in script.odd_numbers(640)]


PEERS = (record(NOTEBOOK, bits_per_dimension=4.5), *(record(name, psnr=21.0, ssim=0.7) for name in PYTHAE))


@pytest.mark.parametrize(
    ("name", "changes", "verdicts"),
    [
        ("shapes", {"odd_ranks": [5, 1, 2, 4, 3]}, ["yes", "yes", "yes", "see the picture"]),
        (
            "shapes",
            {"odd_ranks": [6, 1, 2, 4, 3], "bits_per_dimension": 4.51},
            ["no", "no", "yes", "see the picture"],
        ),
        ("shapes", {"odd_ranks": [1], "ssim": 0.7}, ["yes", "yes", "no", "see the picture"]),
        ("fashion", {}, ["yes", "yes", "yes"]),
        ("fashion", {"likelihood": "bernoulli", "psnr": 20.0, "bits_per_dimension": 4.06}, ["no", "no", "no"]),
        ("digits", {}, ["yes", "see the picture"]),
        ("digits", {"bits_per_dimension": 4.5}, ["no", "see the picture"]),
        ("faces", {}, ["yes", "yes"]),
        ("faces", {"epoch": 1, "bits_per_dimension": 5.0}, ["no", "no"]),
        ("emoji", {}, ["yes", "yes", "see the picture"]),
        ("photos", {}, ["yes", "see the picture"]),
        ("photos", {"megabytes": 2001.0}, ["no", "see the picture"]),
    ],
)
def test_targets(name, changes, verdicts):
    found = row(record(**changes), *PEERS)
    assert [verdict(target, found) for target in SETS[name].targets] == verdicts


def test_targets_without_a_figure_are_not_measured():
    targets = SETS["fashion"].targets
    assert [verdict(each, row(record())) for each in targets] == [
        *("yes", "not measured: notebook's network", "not measured: pythae, learning rate 1e-3")
    ]
    binary = row(record(bits_per_dimension=None), *PEERS)
    assert verdict(targets[1], binary) == "not measured: bits per dimension of cvae-train"


def test_tables():
    best = record(PYTHAE[1], psnr=21.5, ssim=0.75)
    photos = record(name="photos", bits_per_dimension=None, where=MACHINE | {"flags": ["avx2", "avx512f"], "cores": 1})
    rows = {"shapes": row(record(odd_ranks=[3, 1, 2, 9, 4]), *PEERS[:2], best), "photos": row(photos)}
    likelihoods, likenesses, targets, recipes, ranks, *pictures = _page.tables(rows).split("\n\n")
    head, _, shapes, mixed = cells(likelihoods)
    assert dict(zip(head, shapes, strict=True)) == {
        "set": "[shapes](histories/own-images/shapes.csv)",
        "images": "1,000 + 100 + 10",
        "minutes": "5",
        "bits/dim": "4.000",
        "notebook's network": "4.500",
        "PCA": "5.000",
        "histogram": "7.000",
        "kept epoch": "2 of 2",
        "peak memory": "1,500 MB",
        "machine": "AVX2, 2 cores",
    }
    assert (mixed[3], mixed[4], mixed[-1]) == ("-", "-", "AVX-512, 1 core")
    assert cells(likenesses)[2:] == [
        ["shapes", "22.00", "22.00", "21.50", "0.800", "0.800", "0.750"],
        ["photos", "22.00", "-", "-", "0.800", "-", "-"],
    ]
    assert cells(targets)[3] == ["shapes", "the odd images have the lowest ELBO", "no"]
    assert cells(recipes)[2] == [
        "shapes",
        "48x64x3, residual 16,32, 12 latents, discretized-logistic-mixture, batch 32, rate 0.001, 1,234 epochs, validation 0.1",
    ]
    assert ranks == "Ranks of the odd images of shapes: 1, 2, 3, 4, 9."
    assert pictures == [
        "![shapes: 640 drawn shapes, five of them odd](images/own-images/shapes.png)",
        "![photos: pieces of photographs in mixed sizes](images/own-images/photos.png)",
    ]


def test_comparisons_have_the_sets_on_the_axis():
    odd = record(odd_ranks=[3, 1, 8])
    failed = {PYTHAE[0]: _measure.ContenderError("failed", "exit code 1: no luck")}
    rows = {"shapes": row(odd, PEERS[0]), "emoji": row(record(bits_per_dimension=3.0))}
    bits, psnr, _, rank, memory = comparisons(rows, failed)
    assert [(entry.name, [(point.at, point.median) for point in entry.points]) for entry in bits.entries] == [
        (OURS, [("shapes", 4.0), ("emoji", 3.0)]),
        (NOTEBOOK, [("shapes", 4.5)]),
        (PYTHAE[0], []),
        ("per-pixel histogram", [("shapes", 7.0), ("emoji", 7.0)]),
        ("PCA of as many dimensions", [("shapes", 5.0), ("emoji", 5.0)]),
    ]
    assert bits.entries[2].reason == "exit code 1: no luck"
    assert (bits.better, psnr.better, rank.better, memory.better) == ("lower", "higher", "lower", "lower")
    assert [point.median for point in rank.entry(OURS).points] == [8.0]
    assert memory.unit == "MB"
    assert list(comparisons({}, failed)) == []


def test_records_are_read_as_written(tmp_path):
    for each in (record(), PEERS[0], PEERS[2]):
        write_record(tmp_path, each)
    assert read_records(tmp_path, "shapes") == row(record(), PEERS[0], PEERS[2])
    assert read_records(tmp_path, "emoji") == {}
    assert sorted(path.name for path in (tmp_path / "shapes").iterdir()) == [
        *("cvae-train", "notebook-network", "pythae-1e-4")
    ]


def test_the_kind_of_a_machine():
    assert machine_of(MACHINE) == "AVX2, 2 cores"
    assert machine_of(MACHINE | {"flags": ["avx2", "avx512f"], "cores": 1}) == "AVX-512, 1 core"
    assert machine_of(MACHINE | {"flags": [], "machine": "arm64"}) == "arm64, 2 cores"


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 64, 3)])
def test_pythae_itself(shape, tmp_path):
    python = os.environ.get("CVAE_PYTHAE")
    if python is None:
        pytest.skip("$CVAE_PYTHAE is not set: a Python interpreter with pythae")
    rng = np.random.default_rng(0)
    parts = {"train": 4, "validation": 2, "test": 3}
    arrays = {name: rng.integers(0, 256, (count, *shape), np.uint8) for name, count in parts.items()}
    np.savez(tmp_path / "images.npz", **arrays)
    options = ["--minutes=0.001", "--latent-dim=4", "--learning-rate=1e-3"]
    program = Path(own_images.__file__).with_name("_pythae.py")
    subprocess.run([python, program, tmp_path / "images.npz", tmp_path / "out.npz", *options], check=True)
    with np.load(tmp_path / "out.npz") as found:
        assert found["reconstructions"].shape == (3, *shape)
        assert found["samples"].shape == (20, *shape)
        assert found["reconstructions"].dtype == np.float32
        assert 0 <= found["reconstructions"].min() < found["reconstructions"].max() <= 1
    came = json.loads((tmp_path / "out.json").read_text())
    assert came["epochs"] == came["steps"] >= 1  # all images are one batch
    assert came["versions"]["pythae"]
