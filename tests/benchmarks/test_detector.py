import dataclasses
import json
import math

import numpy as np
import pytest

import cvae_runtime
import cvae_train
from benchmarks import _cli, detector
from benchmarks._document import DocumentError, read_document
from benchmarks._process import ContenderError
from benchmarks.detector import _question, _score, _train
from benchmarks.detector._images import parts_of
from benchmarks.detector._page import tables
from benchmarks.detector._record import Record, folder_of, read_record, write_record
from benchmarks.detector._statistics import alarm_interval, beta_binomial
from benchmarks.detector._tasks import (
    ALPHAS,
    COLUMNS,
    EVERYTHING,
    FALSE_ALARMS,
    NAMES,
    RAW,
    RECIPE,
    SETS,
    TASKS,
    TEXTURES,
)
from benchmarks.detector._textures import scratched, textures
from benchmarks.detector._train import MODELS, Settings, check_settings, recipe_of, train
from cvae_export import Auroc, export
from cvae_export._conformal import choose_score
from cvae_runtime import InputError

SETTINGS = Settings(minutes=None, most=None, draws=2, seed=0)


def area(value):
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


OF_BERNOULLI = [name for name in COLUMNS if name != "error"]  # the same as "reconstruction"
FIGURES = {
    "chosen": "elbo",
    "auroc": {name: area(value) for name, value in zip(OF_BERNOULLI, (0.05, 0.1, 0.2, 0.3, 0.4, 0.5), strict=True)},
    "detector_auroc": area(0.6),
    "alarms": {"good": 0.01, "bad": 0.5},
    "false_alarms": 0.01,
    "draws": 2,
    "split_seed": 0,
    "calibration": 100,
}
COUNTED = {
    "seeds": [0, 1],
    "calibration": 199,
    "fresh": 50,
    "chosen": ["elbo", "elbo"],
    "draws": 2,
    "rates": {
        "0.01": {"alarms": [0, 1], "interval": [0, 3], "within": 2},
        "0.05": {"alarms": [2, 12], "interval": [0, 8], "within": 1},
    },
}


def record(name="fashion-mnist", good_class=EVERYTHING, figures=FIGURES, **changes):
    figures = {**figures, **changes}
    settings = dataclasses.asdict(SETTINGS)
    return Record(name, good_class, settings, {"train": 5}, 1.5, {"model": {}, "background": {}}, figures, {"cores": 2})


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """Stand-ins for both sets: bars of two classes, and blobs of two classes, 8x8 pixels with grey levels."""
    folder = tmp_path_factory.mktemp("sets")
    for name, seed in (("fashion", 1), ("mnist", 2)):
        rng = np.random.default_rng(seed)
        images, classes = np.zeros((150, 8, 8), np.uint8), np.arange(150) % 2
        for image, good_class in zip(images, classes, strict=True):
            height, width = ((2, 8), (8, 2))[good_class] if name == "fashion" else ((3, 3), (4, 4))[good_class]
            top, left = rng.integers(0, 9 - height), rng.integers(0, 9 - width)
            image[top : top + height, left : left + width] = rng.integers(100, 256)
        labels = classes.astype(str)
        np.savez(folder / name, x_train=images[:120], y_train=labels[:120], x_test=images[120:], y_test=labels[120:])
    return {name: folder / f"{name}.npz" for name in SETS}


@pytest.fixture
def idle(monkeypatch):
    """Fail the test if a program is started."""
    monkeypatch.setattr(_train, "measured", lambda command, _log: pytest.fail(f"started {command}"))


def ask(progress, out, **options):
    return list(detector.run(progress=progress, out=out, **{"quick": False, "tasks": []} | options))


def test_alarms_are_beta_binomial():
    masses = [beta_binomial(alarms, 20, 3, 5) for alarms in range(21)]
    assert sum(masses) == pytest.approx(1)
    assert sum(alarms * mass for alarms, mass in enumerate(masses)) == pytest.approx(20 * 3 / 8)
    assert beta_binomial(0, 1, 3, 5) == pytest.approx(5 / 8)


@pytest.mark.parametrize(("alpha", "calibrated", "fresh"), [(0.01, 99, 50), (0.05, 199, 300), (0.29, 99, 20)])
def test_the_interval_of_alarms_holds_its_level(alpha, calibrated, fresh):
    rank = round(alpha * (calibrated + 1))
    low, high = alarm_interval(alpha, calibrated, fresh)
    masses = [beta_binomial(alarms, fresh, rank, calibrated + 1 - rank) for alarms in range(fresh + 1)]
    assert sum(masses[low : high + 1]) >= 0.99
    assert sum(masses[:low]) <= 0.005 < sum(masses[: low + 1])
    assert sum(masses[high + 1 :]) <= 0.005 < sum(masses[high:])


def test_the_rule_keeps_its_rate_in_a_simulation():
    rng = np.random.default_rng(0)
    alpha, calibrated, fresh, seeds = 0.05, 199, 200, 2_000
    threshold = np.sort(rng.random((seeds, calibrated)), axis=1)[:, -10]  # rank floor(0.05 * 200)
    alarms = (rng.random((seeds, fresh)) > threshold[:, np.newaxis]).sum(axis=1)
    low, high = alarm_interval(alpha, calibrated, fresh)
    assert ((alarms >= low) & (alarms <= high)).mean() >= 0.985
    assert alarms.mean() / fresh == pytest.approx(alpha, abs=0.002)


def test_tasks_name_sets_and_classes():
    assert (*TASKS, FALSE_ALARMS) == NAMES
    for name, task in TASKS.items():
        assert {task.good, task.outliers} <= {*SETS, TEXTURES}
        assert (len(task.classes) == 10) == name.startswith("one-class")
        assert all(0 < each.auroc < 1 and each.source for each in task.published)


def test_parts_of_a_whole_set(sets):
    good, bad = (cvae_train.load_data(sets[name]) for name in ("fashion", "mnist"))
    parts = parts_of(TASKS["fashion-mnist"], EVERYTHING, sets)
    assert parts.counts == {"train": 100, "held_back": 20, "test": 30, "outliers": 30}
    np.testing.assert_array_equal(parts.held_back, good.train[5::6])
    np.testing.assert_array_equal(parts.train[:6], good.train[[0, 1, 2, 3, 4, 6]])
    np.testing.assert_array_equal(parts.test, good.test)
    np.testing.assert_array_equal(parts.outliers, bad.test)


def test_parts_of_a_class(sets):
    data = cvae_train.load_data(sets["mnist"])
    parts = parts_of(TASKS["one-class-mnist"], "1", sets)
    assert parts.counts == {"train": 50, "held_back": 10, "test": 15, "outliers": 15}
    np.testing.assert_array_equal(parts.held_back, data.train[1::2][5::6])
    np.testing.assert_array_equal(parts.test, data.test[1::2])
    np.testing.assert_array_equal(parts.outliers, data.test[::2])
    assert parts_of(TASKS["one-class-mnist"], "1", sets, 7).counts == dict.fromkeys(parts.counts, 7)


def test_sets_that_do_not_work(sets, tmp_path):
    task = TASKS["one-class-mnist"]
    with pytest.raises(InputError) as caught:
        parts_of(task, "1", {})
    assert str(caught.value) == "mnist: expected the folder of this set, found none; pass --mnist FOLDER"
    with pytest.raises(InputError) as caught:
        parts_of(task, "7", sets)
    assert str(caught.value) == f"{sets['mnist']}: expected images of the class 7, found 0, 1; use the set mnist"
    np.savez(tmp_path / "bare.npz", x_train=np.zeros((6, 4, 4), np.uint8), x_test=np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(InputError) as caught:
        parts_of(task, "1", {"mnist": tmp_path / "bare.npz"})
    assert str(caught.value) == (
        f"{tmp_path / 'bare.npz'}: expected the classes of the images, found none; add the files of labels"
    )
    with pytest.raises(InputError) as caught:
        parts_of(TASKS["fashion-mnist"], EVERYTHING, {**sets, "mnist": tmp_path / "bare.npz"})
    assert str(caught.value) == (
        f"{tmp_path / 'bare.npz'}: expected outliers of the shape (8, 8, 1), found (4, 4, 1); use sets of one shape"
    )


@pytest.mark.parametrize(
    ("minutes", "length"), [(None, ["--epochs", "20"]), (0.5, ["--minutes", "0.5"]), (2.0, ["--minutes", "2"])]
)
def test_commands_of_a_model(sets, tmp_path, monkeypatch, minutes, length):
    started = []

    def measured(command, log):
        started.append((command, log.name))
        return 2.0, 100.0

    monkeypatch.setattr(_train, "measured", measured)
    task = TASKS["fashion-mnist"]
    parts = parts_of(task, EVERYTHING, sets)
    settings = dataclasses.replace(SETTINGS, minutes=minutes)
    assert train(task, parts, tmp_path, settings) == 4.0
    images = str(tmp_path / "images.npz")
    expected = []
    for name, options in MODELS.items():
        run = str(tmp_path / f"{name}-run")
        command = [*_train.TRAIN, images, *RECIPE, *length, "--seed", "0", *options, "--run", run, "--resume"]
        expected += [(command, f"{name}-train.log")]
        expected += [([*_train.EXPORT, run, "--onnx", str(tmp_path / name)], f"{name}-export.log")]
    assert started == expected
    data = cvae_train.load_data(tmp_path / "images.npz")
    np.testing.assert_array_equal(data.train, parts.train)
    np.testing.assert_array_equal(data.test, parts.held_back)


@pytest.mark.usefixtures("idle")
def test_bundles_are_made_once(sets, tmp_path):
    for name in MODELS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").touch()
    assert train(TASKS["fashion-mnist"], parts_of(TASKS["fashion-mnist"], EVERYTHING, sets), tmp_path, SETTINGS) == 0.0


def test_settings_of_a_folder_stay(tmp_path):
    folder = tmp_path / "new"
    check_settings(folder, SETTINGS)
    check_settings(folder, SETTINGS)
    with pytest.raises(ContenderError) as caught:
        check_settings(folder, dataclasses.replace(SETTINGS, minutes=3.0))
    asked, found = (f'{{"minutes": {minutes}, "most": null, "draws": 2, "seed": 0}}' for minutes in ("3.0", "null"))
    message = f"{folder}: expected models of the settings {asked}, found {found}; pass another --out"
    assert (caught.value.status, str(caught.value)) == ("refused", message)


def test_records(tmp_path):
    path = folder_of(tmp_path, "one-class-mnist", "3") / "record.json"
    assert path == tmp_path / "one-class-mnist/3/record.json"
    assert read_record(path) is None
    write_record(path, record())
    assert read_record(path) == record()
    path.write_text("{}")
    with pytest.raises(DocumentError) as caught:
        read_record(path)
    assert str(caught.value).startswith(f"{path}: expected the record of a model, found Record.__init__() missing 8")
    assert str(caught.value).endswith("; remove the file and start again")


@pytest.fixture(scope="module")
def exported(sets, tiny_config, tmp_path_factory):
    """A folder with tiny bundles of both models of `fashion-mnist`, and the images."""
    folder = tmp_path_factory.mktemp("models")
    parts = parts_of(TASKS["fashion-mnist"], EVERYTHING, sets)
    # Calibration needs more held-back images than the set has.
    parts = dataclasses.replace(parts, held_back=np.concatenate([parts.train, parts.train[:, ::-1], parts.held_back]))
    data = cvae_train.Dataset(parts.train, parts.held_back[:10])
    np.savez(folder / "images.npz", x_train=data.train, x_test=data.test)
    for name, background in (("model", 0.0), ("background", 0.1)):
        config = dataclasses.replace(tiny_config, epochs=20, binarize="none", background=background)
        cvae_train.train(str(folder / "images.npz"), config, folder / f"{name}-run", quiet=True)
        export(folder / f"{name}-run", folder / name, quiet=True)
    return folder, parts


def test_the_figures_of_a_model(exported):
    folder, parts = exported
    figures = _score.score_parts(folder, parts, SETTINGS)
    assert set(figures["auroc"]) == set(OF_BERNOULLI)
    chosen = figures["chosen"]
    assert chosen == choose_score(figures["instabilities"])
    assert (figures["draws"], figures["false_alarms"], figures["calibration"]) == (2, 0.01, 99)
    assert list(figures["instabilities"]) == ["elbo", "reconstruction", "typicality"]
    with np.load(folder / "scores.npz") as scores:
        good, bad = scores[f"good/{chosen}"], scores[f"bad/{chosen}"]
        assert (len(good), len(bad), len(scores.files)) == (30, 30, 12)
        ratio = Auroc.of(scores["good/likelihood-ratio"], scores["bad/likelihood-ratio"]).value
        raw, entropy = scores[f"good/{RAW}"], scores[f"good/{RAW}"] - scores["good/elbo"]
    assert figures["auroc"]["likelihood-ratio"]["value"] == ratio
    targets = (parts.test / np.float32(255)).astype(np.float64).reshape(30, -1)
    expected = [-sum(x * math.log(x) + (1 - x) * math.log(1 - x) for x in row if 0 < x < 1) for row in targets]
    assert entropy == pytest.approx(expected, rel=1e-6)
    # The calibrated bundle computes the same score.
    assert figures["detector_auroc"]["value"] == pytest.approx(Auroc.of(good, bad).value, abs=0.01)
    with cvae_runtime.load(folder / "detector", provider="cpu") as model:
        np.testing.assert_allclose(model.detect(parts.test).score, good, rtol=1e-4, atol=1e-3)
        found = model.detect(parts.outliers)
    with cvae_runtime.load(folder / "model", provider="cpu") as model:
        assert -model.score(parts.test, samples=200).elbo == pytest.approx(raw, abs=5.0)  # of other draws
    assert figures["alarms"]["bad"] == found.alarm.mean()


def test_the_false_alarms_of_a_model(exported, monkeypatch):
    folder, parts = exported
    monkeypatch.setattr(_score, "SEEDS", 2)
    figures = _score.count_false_alarms(folder, parts, SETTINGS)
    count = len(parts.held_back) // 3
    assert (figures["seeds"], figures["fresh"], figures["calibration"]) == ([0, 1], count, 99)
    assert len(figures["chosen"]) == 2
    for alpha in ALPHAS:
        found = figures["rates"][str(alpha)]
        low, high = alarm_interval(alpha, 99, count)
        assert found["interval"] == [low, high]
        assert found["within"] == sum(low <= alarms <= high for alarms in found["alarms"]) == 2
    assert recipe_of(folder, "background")["config"]["background"] == 0.1
    assert "source" not in recipe_of(folder, "model")["data"]


def cells(text):
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines()]


def test_tables():
    one_class = {
        "0": record("one-class-mnist", "0"),
        "1": record(
            "one-class-mnist",
            "1",
            chosen="typicality",
            detector_auroc=area(0.8),
            auroc=dict.fromkeys(OF_BERNOULLI, area(0.9)),
        ),
    }
    text = tables({"fashion-mnist": {EVERYTHING: record()}, "one-class-mnist": one_class}, None)
    tasks, classes, published = map(cells, text.split("\n\n"))
    assert tasks[0] == [
        "AUROC",
        *COLUMNS,
        "chosen",
        "with it",
        "to reach",
        "alarms: good",
        "alarms: outliers",
    ]
    assert tasks[2] == ["fashion-mnist", "0.050", "0.100", "0.200", "-", "0.300", "0.400", "0.500", "elbo", "0.600 (0.550 to 0.650)", "0.98", "1.0%", "50.0%"]  # fmt: skip
    assert tasks[3][0] == "one-class-mnist (2 of 10 models)"
    assert tasks[3][1:11] == ["0.475", "0.500", "0.550", "-", "0.600", "0.650", "0.700", "typicality 1x, elbo 1x", "0.700", "0.97"]  # fmt: skip
    assert classes[0][0] == "AUROC, one-class-mnist"
    assert classes[3] == ["1", *["0.900"] * 3, "-", *["0.900"] * 3, "typicality", "0.800 (0.750 to 0.850)"]
    assert ["fashion-mnist", "PixelCNN++, likelihood ratio", "0.994", "Ren et al., 2019, arXiv:1906.02845"] in published


def test_the_table_of_boxes():
    auroc = {name: area(0.9) for name in COLUMNS if name != "likelihood-ratio"}
    text = tables({"scratches": {EVERYTHING: record("scratches", auroc=auroc, iou=0.456)}}, None)
    scores, boxes = map(cells, text.split("\n\n"))
    assert scores[2][1:10] == [*["0.900"] * 6, "-", "elbo", "0.600 (0.550 to 0.650)"]
    assert (scores[2][10], boxes[2]) == ("-", ["scratches", "50.0%", "0.46", "0.3"])


def test_scratches_lie_in_their_boxes():
    parts = parts_of(TASKS["scratches"], EVERYTHING, {}, 3)
    assert parts.counts == dict.fromkeys(parts.counts, 3)
    plain = textures(200, 3)[:3]
    for image, before, (top, left, bottom, right) in zip(parts.outliers, plain, parts.boxes, strict=False):
        rows, columns, _ = np.nonzero(image != before)
        assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (top, left, bottom, right)
    assert (scratched(plain, 4)[0] == parts.outliers).all()
    assert not any((one == parts.train[0]).all() for one in (*parts.held_back, *parts.test))


def test_the_overlap_of_boxes():
    expected = np.array([[0, 0, 4, 4]] * 4)
    found = _score.box_iou([(0, 0, 4, 4), (2, 0, 6, 4), (4, 4, 8, 8), None], expected)
    assert found.tolist() == [1.0, 8 / 24, 0.0, 0.0]


def test_the_table_of_false_alarms():
    found = cells(tables({}, record(FALSE_ALARMS, figures=COUNTED)))
    assert found[0] == ["rate of false alarms", "calibration", "fresh", "seeds", "found", "alarms", "99% interval", "seeds within"]  # fmt: skip
    assert found[2:] == [
        ["0.01", "199", "50", "2", "0.0100", "0 to 1", "0 to 3", "2 of 2"],
        ["0.05", "199", "50", "2", "0.1400", "2 to 12", "0 to 8", "1 of 2"],
    ]


@pytest.fixture
def stubbed(monkeypatch):
    """Models and figures without trainings: the calls of each."""
    calls = []

    def recorded(name, result, folder_at):
        def call(*arguments):
            calls.append((name, arguments[folder_at]))
            return result

        return call

    monkeypatch.setattr(_question, "train", recorded("train", 3.0, 2))
    monkeypatch.setattr(_question, "recipe_of", lambda _folder, name: {"config": name})
    monkeypatch.setattr(_question, "score_parts", recorded("score", FIGURES, 0))
    monkeypatch.setattr(_question, "count_false_alarms", recorded("count", COUNTED, 0))
    return calls


def test_the_command_measures_what_is_missing(sets, tmp_path, capsys, stubbed, progress):
    out = tmp_path / "out"
    options = [part for name, path in sets.items() for part in (f"--{name}", str(path))]
    arguments = [
        "detector",
        "fashion-mnist",
        FALSE_ALARMS,
        *options,
        "--out",
        str(out),
        "--json",
        str(tmp_path / "r.json"),
    ]
    assert _cli.main(arguments) == 0
    model = out / "fashion-mnist" / EVERYTHING
    assert stubbed == [("train", model), ("score", model), ("train", model), ("count", model)]
    printed = capsys.readouterr().out
    assert (out / "detector.md").read_text().strip() in printed
    assert "higher is better" not in printed  # the comparison is written, not printed
    written = json.loads((out / "detector.json").read_text())
    assert [(each["task"], each["good_class"]) for each in written] == [("fashion-mnist", "all"), (FALSE_ALARMS, "all")]
    assert written[0]["figures"] == FIGURES
    assert written[0]["recipes"] == {"model": {"config": "model"}, "background": {"config": "background"}}
    assert written[0]["settings"] == {"minutes": None, "most": None, "draws": 8, "seed": 0}
    assert written[0]["images"] == {"train": 100, "held_back": 20, "test": 30, "outliers": 30}
    assert (written[0]["seconds"], written[0]["environment"]["cores"] > 0) == (3.0, True)
    (found,) = read_document(tmp_path / "r.json").questions["detector"]
    assert found.entry("chosen score").point("fashion-mnist").rounds == (0.6,)
    assert found.entry("likelihood-ratio").point("fashion-mnist").rounds == (0.5,)
    assert found.entry("PixelCNN++, likelihood ratio, Ren et al.").point("fashion-mnist").rounds == (0.994,)

    stubbed.clear()
    again, text = ask(progress, out, tasks=["fashion-mnist", FALSE_ALARMS])
    assert (stubbed, again) == ([], found)
    assert text in printed


@pytest.mark.usefixtures("stubbed")
def test_a_failed_model_does_not_stop_the_others(sets, tmp_path, monkeypatch, progress, printed):
    tasks = {"one-class-mnist": dataclasses.replace(TASKS["one-class-mnist"], classes=("0", "1"))}
    monkeypatch.setattr(_question, "TASKS", tasks | {"fashion-mnist": TASKS["fashion-mnist"]})

    def train(_task, _parts, folder, _settings):
        if folder.name == "0":
            raise ContenderError("failed", "no luck")
        return 1.0

    monkeypatch.setattr(_question, "train", train)
    comparison, text, notes = ask(progress, tmp_path, tasks=["one-class-mnist"], **sets)
    assert comparison.places == ("one-class-mnist",)
    assert "one-class-mnist (1 of 10 models)" in text
    assert notes == "- one-class-mnist, 0: failed: no luck"
    assert notes in printed.getvalue()


@pytest.mark.usefixtures("stubbed")
def test_quick_models_are_small(sets, tmp_path, progress):
    ask(progress, tmp_path, tasks=["fashion-mnist"], quick=True, **sets)
    settings = json.loads((tmp_path / "fashion-mnist/all/settings.json").read_text())
    assert settings == {"minutes": 0.1, "most": 1200, "draws": 8, "seed": 0}


def test_a_missing_set(tmp_path, capsys):
    assert _cli.main(["detector", "mnist-fashion", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "python -m benchmarks detector: mnist: expected the folder of this set, found none; pass --mnist FOLDER"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cats"], f"argument TASK: expected one of {', '.join(NAMES)}, found 'cats'"),
        (["--minutes", "0"], "argument --minutes: expected minutes above 0, at most 1440, found '0'"),
    ],
)
def test_usage_errors(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        _cli.main(["detector", *arguments, "--out", "somewhere"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"python -m benchmarks detector: error: {message}"
