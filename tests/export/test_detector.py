"""``cvae-calibrate``: the graph against the formulas, whole messages, and the false alarms of a small bundle."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_export import Auroc, Confusion, DetectorEvaluation, calibrate, evaluate_detector
from cvae_export._cli_calibrate import command
from cvae_export._conformal import p_values
from cvae_export._detector import pixel_costs, strangeness
from cvae_export._detector_reference import TermsOf

GOLDEN = Path(__file__).parents[1] / "golden"
SCORES = ("elbo", "error", "reconstruction", "kl", "typicality")


def images_of(bundle, count, seed=3):
    with cvae.load(bundle, provider="cpu", threads=1) as model:
        return model.generate(count, seed=seed, dtype="uint8")


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.npy"
    np.save(path, images_of(GOLDEN / "learned", 60))
    return path


@pytest.fixture
def run(whole_console):
    return lambda *arguments: whole_console(command, "cvae-calibrate", *arguments)


@pytest.mark.parametrize("name", ["labelled", "learned", "mixture", "residual", "colour"])
def test_the_graph_equals_the_formulas(name, tmp_path):
    images = images_of(GOLDEN / name, 45)
    np.save(tmp_path / "good.npy", images)
    before = {path.name: path.read_bytes() for path in (GOLDEN / name).iterdir()}
    for score in SCORES[: None if name == "learned" else 2]:
        result = calibrate(
            GOLDEN / name, tmp_path / "good.npy", tmp_path / "new", false_alarms=0.05, score=score, draws=3,
            overwrite=True, quiet=True,
        )  # fmt: skip
        detector = result.detector
        terms = TermsOf.bundle(cvae.read_bundle(GOLDEN / name), 3)(images)
        expected = strangeness(score, terms, detector.median or 0.0)
        with cvae.load(tmp_path / "new", provider="cpu", threads=2) as model:
            found = model.detect(images)
        scale = max(1.0, abs(terms.reconstruction).max())
        assert abs(found.score - expected).max() <= 1e-5 * scale
        assert (found.p_value == p_values(np.float32(detector.scores), found.score)).all()
        assert (found.alarm == (found.p_value <= np.float32(0.05))).all()
        offset = found.map - pixel_costs(score, terms)  # the expectation of each pixel
        assert abs(offset - offset[0]).max() <= 1e-5 * max(1.0, abs(terms.pixels).max())
        assert (detector.score, detector.draws, detector.count) == (score, 3, 19)
        assert list(detector.scores) == sorted(detector.scores)
        assert detector.threshold == detector.scores[-1]
        assert (detector.fit.count, detector.calibration.count) == (26, 19)
        assert all(one.agrees for one in cvae.check_golden(cvae.read_bundle(tmp_path / "new")))
    assert {path.name: path.read_bytes() for path in (GOLDEN / name).iterdir()} == before


def test_a_likelihood_ratio_contains_its_background(good, tmp_path):
    background = GOLDEN / "learned"
    bundle = tmp_path / "bundle"
    shutil.copytree(GOLDEN / "colour", bundle)
    result = calibrate(bundle, good, tmp_path / "new", false_alarms=0.1, background=background, draws=2, quiet=True)
    images = np.load(good)
    of_both = [TermsOf.bundle(cvae.read_bundle(path), 2)(images).elbo for path in (bundle, background)]
    with cvae.load(tmp_path / "new", provider="cpu") as model:
        found = model.detect(images)
    assert np.allclose(found.score, of_both[1] - of_both[0], rtol=1e-5, atol=0.05)
    assert result.detector.score == "likelihood-ratio"
    assert result.detector.background.sha256 == cvae.read_bundle(background).sha256
    assert {graph.role for graph in result.manifest.graphs} == {"encoder", "decoder", "detector"}


def test_the_same_arguments_give_the_same_bytes(good, tmp_path):
    for name in ("one", "two"):
        calibrate(GOLDEN / "learned", good, tmp_path / name, false_alarms=0.1, draws=2, quiet=True)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_a_calibrated_bundle_is_calibrated_again(good, tmp_path):
    first = calibrate(GOLDEN / "learned", good, tmp_path / "one", false_alarms=0.1, draws=2, quiet=True)
    second = calibrate(tmp_path / "one", good, tmp_path / "two", false_alarms=0.2, draws=2, quiet=True)
    roles = [graph.role for graph in second.manifest.graphs]
    assert roles == [graph.role for graph in first.manifest.graphs]
    assert (second.detector.false_alarms, second.detector.count) == (0.2, 29)


def test_the_rate_of_false_alarms_of_a_bundle(tmp_path):
    images = images_of(GOLDEN / "learned", 300)
    alarms = tests = 0
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(300)
        np.save(tmp_path / "good.npy", images[order[:110]])
        calibrate(
            GOLDEN / "learned", tmp_path / "good.npy", tmp_path / "new", false_alarms=0.1, score="elbo", draws=2,
            overwrite=True, quiet=True,
        )  # fmt: skip
        with cvae.load(tmp_path / "new", provider="cpu") as model:
            alarms += int(model.detect(images[order[110:]]).alarm.sum())
        tests += 190
    assert 0.03 < alarms / tests < 0.25


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: path.unlink(missing_ok=True),
            "expected a folder of images, an image, an .npy or an IDX file, found nothing; check the name",
        ),
        (
            lambda path: np.save(path, np.zeros((28, 12, 16, 3), np.uint8)),
            (
                "expected at least 29 good images for a false-alarm rate of 0.05, 19 to calibrate on and 10 to fit; found "
                "28: add images, or pass a higher --false-alarms"
            ),
        ),
        (lambda path: path.write_bytes(b"\x93NUMPY\1"), None),
        (lambda path: np.save(path, np.zeros((40, 9, 16, 3), np.uint8)), None),
        (lambda path: np.save(path, np.zeros((0, 12, 16, 3), np.uint8)), None),
    ],
    ids=["missing", "few", "unreadable", "wrong-sized", "empty"],
)
def test_calibration_sets_that_cannot_be_used(make, message, run, tmp_path):
    path = tmp_path / "good.npy"
    make(path)
    code, out, err = run(GOLDEN / "learned", path, "--false-alarms", 0.05, "-o", tmp_path / "new", "-q")
    assert (code, out) == (1, "")
    assert err.startswith(f"Error: {path}: ")
    assert err.count("\n") == 1
    if message is not None:
        assert err == f"Error: {path}: {message}\n"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"false_alarms": 0.7}, "false_alarms must be a number from 0.0001 to 0.5; found 0.7"),
        (
            {"score": "size"},
            "score must be one of elbo, reconstruction, error, kl, typicality, likelihood-ratio; found 'size'",
        ),
        ({"draws": 0}, "draws must be a whole number from 1 to 1,000; found 0"),
        ({"seed": 2**53}, "seed must be at most 9007199254740991, 2^53 - 1; found 9007199254740992"),
        (
            {"score": "likelihood-ratio"},
            (
                "score likelihood-ratio: expected the bundle of a background model, found none; train one with cvae-train "
                "--background, and pass it with --background"
            ),
        ),
        (
            {"score": "kl", "background": GOLDEN / "learned"},
            "score kl: uses no background model; leave --background or --score out",
        ),
        (
            {"background": GOLDEN / "mixture"},
            (
                f"{GOLDEN / 'mixture'}: expected a background model of the same data as {GOLDEN / 'learned'}, with "
                f"likelihood discretized-logistic; found likelihood discretized-logistic-mixture; train it with cvae-train "
                f"--background on the images of the model"
            ),
        ),
    ],
)
def test_wrong_arguments(arguments, message, good, tmp_path):
    with pytest.raises(cvae.InputError) as caught:
        calibrate(GOLDEN / "learned", good, tmp_path / "new", quiet=True, **arguments)
    assert str(caught.value) == message
    assert not (tmp_path / "new").exists()


def test_the_bundle_itself_is_never_the_target(good, tmp_path):
    bundle = shutil.copytree(GOLDEN / "learned", tmp_path / "bundle")
    with pytest.raises(cvae.InputError) as caught:
        calibrate(bundle, good, bundle, overwrite=True, quiet=True)
    assert str(caught.value) == (
        f"{bundle}: expected another folder than the bundle's, which is not changed; name a new one"
    )


def test_the_command_and_its_test(run, good, tmp_path):
    target = tmp_path / "new"
    code, out, err = run(GOLDEN / "learned", good, "--false-alarms", 0.1, "--draws", 2, "-o", target, "--json", "-q")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["bundle"] == str(target)
    assert result["detector"]["count"] == 29
    assert set(result["instabilities"]) == {"error"}  # the likelihood is of 256 levels
    assert result["detector"]["score"] == "error"
    bad = tmp_path / "bad.npy"
    np.save(bad, 255 - np.load(good))
    code, out, err = run("--test", target, good, bad, "--json", "-q")
    assert (code, err) == (0, "")
    tested = json.loads(out)
    assert set(tested["auroc"]) == {"detector", "elbo", "reconstruction", "kl", "complexity"}
    assert (tested["confusion"]["good"], tested["confusion"]["bad"]) == (60, 60)
    code, out, err = run("--test", target, good, bad, "-q")
    assert (code, out, err) == (0, "", "")


def test_usage_errors(run, good, tmp_path):
    code, _, err = run(GOLDEN / "learned", good, "-q")
    assert (code, err.splitlines()[-1]) == (2, "Error: Missing option '-o' / '--output'.")
    code, _, err = run("--test", GOLDEN / "learned", good, "--draws", 3)
    assert (code, err.splitlines()[-1]) == (
        2,
        "Error: --test: expected BUNDLE, GOOD and BAD without options of a calibration, found --draws",
    )
    code, _, err = run(GOLDEN / "learned", good, good, "-o", tmp_path / "new")
    assert (code, err.splitlines()[-1]) == (
        2,
        f"Error: expected BUNDLE and GOOD, found {good} too; to test on bad images, pass --test",
    )


def test_a_bundle_without_a_detector_is_not_tested(good):
    with pytest.raises(cvae.InputError) as caught:
        evaluate_detector(GOLDEN / "learned", good, good, quiet=True)
    assert str(caught.value) == (
        "the model has no detector: expected a bundle that cvae-calibrate wrote; "
        "make one from images of good parts: cvae-calibrate BUNDLE GOOD -o NEW"
    )


def test_auroc_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(0)
    good, bad = rng.integers(0, 9, 40).astype(float), rng.integers(3, 12, 30).astype(float)
    expected = np.mean((bad[:, np.newaxis] > good) + 0.5 * (bad[:, np.newaxis] == good))
    area = Auroc.of(good, bad)
    assert area.value == pytest.approx(expected)
    assert 0.0 <= area.low < area.value < area.high <= 1.0
    assert str(Auroc.of(np.zeros(1), np.ones(1))) == "1.000"


def test_f1():
    assert Confusion(false_alarms=0, good=5, found=0, bad=3).f1 == 0.0
    assert Confusion(false_alarms=2, good=100, found=8, bad=10).f1 == pytest.approx(2 * 0.8 * 0.8 / 1.6)


def test_the_table_of_a_test_has_columns():
    areas = {"detector": Auroc(0.99, 0.98, 1.0), "elbo": Auroc(0.5, None, None)}
    counts = Confusion(false_alarms=1, good=1000, found=8, bad=10)
    result = DetectorEvaluation("likelihood-ratio", areas, counts, {"scratch": (areas["elbo"], counts)}, {})
    assert result.table().splitlines() == [
        "                            AUROC (95% interval)",
        "detector, likelihood-ratio  0.990 (0.980 to 1.000)",
        "elbo                        0.500",
        "alarms: 8 of 10 bad images, 1 of 1,000 good images; F1 0.842",
        "  scratch: 8 of 10, AUROC 0.500",
    ]
