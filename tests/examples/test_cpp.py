"""Build the C++ example with CMake, and compare its results with Python's."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
from tests.examples.conftest import (
    COLOUR,
    GOLDEN_OUTPUTS,
    KNOWN,
    LABELS,
    NOTEBOOK,
    ROOT,
    SCORED,
    assert_close,
    floats,
    scores,
    write_image,
    write_scored,
)

SOURCE = ROOT / "examples" / "cpp"
MIXTURE = ROOT / "tests" / "golden" / "mixture"
WHOLE = "expected a whole number from"


def run(*command, **options):
    command = [str(part) for part in command]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The build folder with the finished programs."""
    if not shutil.which("cmake") or not (shutil.which("c++") or os.environ.get("CXX")):
        pytest.skip("cmake or a C++ compiler is not installed")
    folder = tmp_path_factory.mktemp("cpp")
    runtime = os.environ.get("ONNXRUNTIME_ROOT", ROOT / ".venv" / "onnxruntime")
    configured = run("cmake", "-S", SOURCE, "-B", folder, f"-DONNXRUNTIME_ROOT={runtime}", f"-DCVAE_BUNDLE={NOTEBOOK}")
    if "ONNX Runtime is not found" in configured.stderr:
        pytest.skip(f"ONNX Runtime for C++ is missing: sh examples/cpp/onnxruntime.sh {runtime} fetches it")
    assert configured.returncode == 0, configured.stdout + configured.stderr
    made = run("cmake", "--build", folder, "--config", "Release", "--parallel", "2")
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


@pytest.fixture
def score(built, tmp_path):
    """Return a function that runs cvae-sample in an empty folder and returns its exit code, output and messages."""

    def score(*arguments):
        result = run(built / "cvae-sample", *arguments, cwd=tmp_path)
        return result.returncode, result.stdout, result.stderr

    return score


@pytest.fixture
def sample(score):
    """Return a function that runs cvae-sample, which prints nothing, and returns its exit code and messages."""

    def sample(*arguments):
        code, output, messages = score(*arguments)
        assert output == ""
        return code, messages

    return sample


def pixels(path, channels):
    """The pixels of a PGM or PPM file, (height, width, channels); the header has the format."""
    assert path.read_bytes()[:3] == (b"P5\n" if channels == 1 else b"P6\n")
    picture = np.asarray(Image.open(path))
    return picture.reshape(*picture.shape[:2], channels)


def assert_latents(found, expected):
    """Assert equality up to one unit in the last place of float32."""
    np.testing.assert_array_max_ulp(found, expected, maxulp=1)


def assert_levels(found, expected):
    """Assert equality up to rounding."""
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("bundle", "seed", "first", "count", "name"),
    [
        (NOTEBOOK, 7, 40, 5, "samples.pgm"),
        (NOTEBOOK, 0, 0, 300, "samples.pgm"),
        (COLOUR, 2**64 - 1, 2**40, 16, "samples.ppm"),
        (MIXTURE, 7, 0, 2, "samples.ppm"),
    ],
)
def test_samples_match_python(sample, tmp_path, bundle, seed, first, count, name):
    options = ["--seed", seed, "--first", first, "-n", count, "--latents", "z.bin", "--raw", "probs.bin"]
    assert sample(bundle, *options) == (0, "")
    with cvae.load(bundle, provider="cpu") as model:
        z = cvae.prior_latents(seed, first, count, model.latent_dim)
        images = model.generate(count, seed=seed, first=first)
    assert_latents(floats(tmp_path / "z.bin", z.shape), z)
    np.testing.assert_allclose(floats(tmp_path / "probs.bin", images.shape), images, rtol=0, atol=1e-5)
    assert_levels(pixels(tmp_path / name, images.shape[3]), cvae.image_grid(cvae.to_uint8(images)))


def test_samples_of_a_learned_prior_match_python(sample, tmp_path, prior_bundle, prior_model):
    assert sample(prior_bundle, "--seed", 7, "-n", 300, "--latents", "z.bin", "--raw", "probs.bin") == (0, "")
    z, images = prior_model.latents(300, seed=7), prior_model.generate(300, seed=7)
    np.testing.assert_allclose(floats(tmp_path / "z.bin", z.shape), z, rtol=0, atol=1e-5 * np.abs(z).max())
    np.testing.assert_allclose(floats(tmp_path / "probs.bin", images.shape), images, rtol=0, atol=1e-5 * images.max())
    assert np.abs(z - cvae.prior_latents(7, 0, 300, 3)).max() > 0.1


@pytest.mark.parametrize("label", [None, *LABELS])
def test_samples_of_a_class_match_python(sample, tmp_path, labelled_bundle, labelled_model, label):
    options = [] if label is None else ["--label", label]
    assert sample(labelled_bundle, "--seed", 7, "-n", 300, *options, "--raw", "probs.bin") == (0, "")
    images = labelled_model.generate(300, seed=7, label=label)
    found = floats(tmp_path / "probs.bin", images.shape)
    np.testing.assert_allclose(found, images, rtol=0, atol=1e-5 * images.max())
    others = [labelled_model.generate(300, seed=7, label=other) for other in {None, *LABELS} - {label}]
    assert min(np.abs(found - other).max() for other in others) > 1e-3


@pytest.mark.parametrize("label", [None, "7"])
def test_reconstructions_with_a_class_match_python(sample, tmp_path, labelled_bundle, labelled_model, label):
    image = cvae.to_uint8(labelled_model.generate(1, seed=99))
    path = write_image(tmp_path / "a.pgm", image[0])
    options = [] if label is None else ["--label", label]
    assert sample(labelled_bundle, "--reconstruct", path, *options, "--raw", "probs.bin") == (0, "")
    expected = labelled_model.reconstruct(image, label=label)
    found = floats(tmp_path / "probs.bin", expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())


def test_wrong_labels(sample, tmp_path, labelled_bundle):
    for bundle, label, expected in (
        (labelled_bundle, "8", f"one of {json.dumps(LABELS)}"),
        (labelled_bundle, "", f"one of {json.dumps(LABELS)}"),
        (NOTEBOOK, "7", "none, since the model has no labels"),
    ):
        said = f"cvae-sample: --label: expected {expected}; found '{label}'\n"
        assert sample(bundle, "--label", label) == (1, said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("bundle", "seed", "index", "latent"), KNOWN)
def test_known_latents(sample, tmp_path, bundle, seed, index, latent):
    assert sample(bundle, "-n", 1, "--seed", seed, "--first", index, "--latents", "z.bin") == (0, "")
    assert_latents(floats(tmp_path / "z.bin", latent.shape), latent.view(np.float32))


@pytest.mark.parametrize("bundle", [NOTEBOOK, COLOUR], ids=["grey", "colour"])
def test_reconstructions_match_python(sample, tmp_path, bundle):
    with cvae.load(bundle, provider="cpu") as model:
        images = cvae.to_uint8(model.generate(3, seed=99))
        mean, again = model.encode(images).mean, model.reconstruct(images)
    files = [tmp_path / f"{index}.pnm" for index in range(3)]
    for file, image in zip(files, images, strict=True):
        height, width, channels = image.shape
        file.write_bytes(f"P{5 if channels == 1 else 6}\n# a\n#\n{width}\t{height}\n255\n".encode() + image.tobytes())
    asked = [part for file in files for part in ("--reconstruct", file)]
    assert sample(bundle, *asked, "--latents", "z.bin", "--raw", "probs.bin", "-o", "both") == (0, "")
    np.testing.assert_allclose(floats(tmp_path / "z.bin", mean.shape), mean, rtol=0, atol=1e-4)
    np.testing.assert_allclose(floats(tmp_path / "probs.bin", again.shape), again, rtol=0, atol=1e-5)
    both = cvae.image_grid(np.concatenate([images, cvae.to_uint8(again)]), columns=3)
    found = pixels(tmp_path / "both", images.shape[3])
    assert_levels(found, both)
    half = found.shape[0] // 2  # the originals are unchanged
    np.testing.assert_array_equal(found[:half], both[:half])


@pytest.mark.parametrize(("name", "label"), SCORED)
def test_scores_match_python(score, tmp_path, request, name, label):
    bundle = request.getfixturevalue(name)
    paths, expected = write_scored(tmp_path, bundle, label)
    code, output, messages = score(bundle, "--score", *paths, *([] if label is None else ["--label", label]))
    assert (code, messages) == (0, "")
    assert_close(scores(output, paths), expected)


@pytest.mark.parametrize("name", ["packaged_bundle", "labelled_bundle"])
def test_many_scores_match_python(score, tmp_path, request, name):
    """More images than a batch."""
    bundle = request.getfixturevalue(name)
    paths, expected = write_scored(tmp_path, bundle, None, count=300)
    code, output, messages = score(bundle, "--score", *paths[:10], "--score", *paths[10:])
    assert (code, messages) == (0, "")
    assert_close(scores(output, paths), expected)


def test_repeat_prints_images_per_second(sample):
    code, said = sample(NOTEBOOK, "-n", 4, "--repeat", 1, "--threads", 1)
    rate, unit = said.split()
    assert (code, unit) == (0, "images/s")
    assert int(rate) > 0


def test_help_is_printed_to_stdout(built):
    asked = run(built / "cvae-sample", "--help")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.startswith("Usage: cvae-sample BUNDLE [options]\n\nDraws samples of a model")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected a BUNDLE, a folder that cvae-export made"),
        (["a", "b"], "expected one BUNDLE, found a and b"),
        (["a", "--seeds", "1"], "--seeds: no such option"),
        (["a", "--seed"], "--seed: expected a value after it"),
        (["a", "--seed", "-1"], f"--seed: {WHOLE} 0 to 18446744073709551615, found '-1'"),
        (["a", "--seed", str(2**64)], f"--seed: {WHOLE} 0 to 18446744073709551615, found '18446744073709551616'"),
        (["a", "-n", "0"], f"-n: {WHOLE} 1 to 100000, found '0'"),
        (["a", "-n", "3x"], f"-n: {WHOLE} 1 to 100000, found '3x'"),
        (["a", "--reconstruct", "b", "--seed", "1"], "--seed: expected without --reconstruct, which draws nothing"),
        (["a", "--score"], "--score: expected a value after it"),
        *(
            (["a", "--score", "b", "c", name, "1"], f"{name}: expected without --score, which only prints ELBOs")
            for name in ("-n", "--seed", "--first", "--repeat", "--reconstruct", "-o", "--latents", "--raw")
        ),
    ],
)
def test_usage_errors(sample, arguments, said):
    code, message = sample(*arguments)
    assert (code, message.split("\n\n")[:2]) == (2, [f"cvae-sample: {said}", "Usage: cvae-sample BUNDLE [options]"])


def test_end_of_the_stream(sample):
    said = "first + count must be at most 368934881474191032 for latents of 50; found 368934881474191030 + 3"
    assert sample(NOTEBOOK, "--first", 368934881474191030, "-n", 3) == (1, f"cvae-sample: {said}\n")
    assert sample(NOTEBOOK, "--first", 368934881474191030, "-n", 2) == (0, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be opened for reading"),
        (b"P5 27 28 255 " + bytes(756), "expected height x width x channels 28 x 28 x 1, found 28 x 27 x 1; resize or convert it first"),
        (b"P6 28 28 255 " + bytes(2352), "expected height x width x channels 28 x 28 x 1, found 28 x 28 x 3; resize or convert it first"),
        (b"P5 28 28 255 " + bytes(783), "expected 784 bytes of pixels, found 783; the file is cut short"),
        *(
            (head, "expected a binary PGM or PPM file (P5 or P6) with levels 0 to 255 and at most 16384 pixels a side; convert it first")
            for head in (b"", b"P2 1 1 255 0", b"\x89PNG", b"P5 28 28 15 ", b"P5 0 28 255 ", b"P5 28 -1 255 ", b"P5 # 28 28 255 ")
        ),
    ],
)  # fmt: skip
def test_invalid_pictures(sample, tmp_path, content, said):
    if content is not None:
        (tmp_path / "a.pgm").write_bytes(content)
    for option in ("--reconstruct", "--score"):
        assert sample(NOTEBOOK, option, "a.pgm") == (1, f"cvae-sample: a.pgm: {said}\n")
    assert not (tmp_path / "samples.pgm").exists()


def test_unwritable_picture(sample):
    assert sample(NOTEBOOK, "-o", "no/such.pgm") == (1, "cvae-sample: no/such.pgm: cannot be written\n")


def test_invalid_bundles(sample, tmp_path):
    missing = "cvae-sample: b: expected a bundle, a folder with decoder.onnx; cvae-export makes one\n"
    assert sample("b") == (5, missing)
    decoder = tmp_path / "b" / "decoder.onnx"
    decoder.parent.mkdir()
    assert sample("b") == (5, missing)
    decoder.write_bytes((NOTEBOOK / "decoder.onnx").read_bytes()[:1000])
    code, said = sample("b")
    assert code == 5
    assert said.startswith(
        "cvae-sample: b/decoder.onnx: expected a graph that ONNX Runtime opens; export it again. It says: "
    )
    shutil.copy(NOTEBOOK / "encoder.onnx", decoder)
    found = 'expected cvae.role "decoder", found "encoder"; export the bundle again'
    assert sample("b") == (5, f"cvae-sample: b/decoder.onnx: {found}\n")


def test_missing_graphs(sample, tmp_path, prior_bundle):
    without = shutil.copytree(prior_bundle, tmp_path / "b")
    for role in ("prior", "prior_density", "scorer"):
        (without / f"{role}.onnx").unlink()
    missing = "cvae-sample: b: expected a bundle, a folder with {}.onnx; cvae-export makes one\n"
    assert sample("b") == (5, missing.format("prior"))
    image = write_image(tmp_path / "a.pgm", np.zeros((8, 8, 1), np.uint8))
    assert sample("b", "--score", image) == (5, missing.format("prior_density"))
    said = "expected scorer.onnx, or a Bernoulli model; cvae-export --with scorer makes the graph"
    assert sample(COLOUR, "--score", "a.ppm") == (5, f"cvae-sample: {COLOUR}: {said}\n")


def test_later_format(sample, later_bundle):
    message = "use the version of cvae-toolkit that wrote it, or export the bundle again"
    said = f"later/decoder.onnx: expected format 1 or 2, found 3; {message}"
    assert sample(later_bundle.name) == (5, f"cvae-sample: {said}\n")


@pytest.fixture
def self_test(built):
    if not (built / "cvae-self-test").exists():
        pytest.skip("nlohmann-json is not installed (Debian: nlohmann-json3-dev)")
    return lambda bundle: run(built / "cvae-self-test", bundle)


@pytest.mark.usefixtures("self_test")
def test_self_test_passes_in_ctest(built):
    tested = run("ctest", "--test-dir", built, "--output-on-failure")
    assert tested.returncode == 0, tested.stdout
    assert "100% tests passed, 0 tests failed out of 1" in tested.stdout


@pytest.mark.parametrize("bundle", ["prior_bundle", "labelled_bundle"])
def test_self_test_checks_all_graphs(self_test, request, bundle):
    tested = self_test(request.getfixturevalue(bundle))
    assert (tested.returncode, tested.stderr, tested.stdout.count("WRONG")) == (0, "", 0)
    lines = [line.split(":")[0].removeprefix("ok    ") for line in tested.stdout.splitlines() if ".onnx" in line]
    assert lines == GOLDEN_OUTPUTS


def test_self_test_of_a_part_of_a_bundle(self_test, tmp_path):
    for name in ("golden.json", "decoder.onnx"):
        shutil.copy(COLOUR / name, tmp_path)
    part = self_test(tmp_path)
    assert (part.returncode, part.stderr, part.stdout.count("ok "), part.stdout.count("WRONG")) == (0, "", 9, 0)
    assert "\nnone  encoder.onnx\n" in part.stdout
    (tmp_path / "decoder.onnx").unlink()
    empty = self_test(tmp_path)
    said = f"{tmp_path}: expected graphs beside golden.json, found none; cvae-export makes them"
    assert (empty.returncode, empty.stderr) == (5, f"cvae-self-test: {said}\n")


def test_self_test_finds_differences(self_test, tmp_path):
    right = self_test(COLOUR)
    assert (right.returncode, right.stderr, right.stdout.count("ok "), right.stdout.count("WRONG")) == (0, "", 11, 0)
    shutil.copytree(COLOUR, tmp_path / "b")
    golden = json.loads((COLOUR / "golden.json").read_text())
    case = next(case for case in golden["cases"] if case["file"] == "decoder.onnx")
    case["atol"] = -1.0
    golden["rng"][0]["seed"] = "1"
    (tmp_path / "b" / "golden.json").write_text(json.dumps(golden))
    wrong = self_test(tmp_path / "b")
    lines = [line.split(":")[0] for line in wrong.stdout.splitlines() if not line.startswith("ok ")]
    assert wrong.returncode == 3
    assert lines == [
        "WRONG latents, seed 1, first 0",
        "WRONG decoder.onnx, log_scale",
        "WRONG decoder.onnx, probs",
    ]
    (tmp_path / "b" / "golden.json").write_text("{}")
    empty = self_test(tmp_path / "b")
    assert (empty.returncode, empty.stdout) == (5, "")
    assert empty.stderr.startswith(f"cvae-self-test: {tmp_path}/b/golden.json: expected golden vectors, found: ")
    (tmp_path / "b" / "golden.json").unlink()
    none = self_test(tmp_path / "b")
    said = "expected a bundle's golden vectors, found no such file"
    assert (none.returncode, none.stderr) == (5, f"cvae-self-test: {tmp_path}/b/golden.json: {said}\n")


def test_onnxruntime_script_names_its_requirement(tmp_path):
    script = SOURCE / "onnxruntime.sh"
    none = run("sh", script)
    assert (none.returncode, none.stderr) == (2, f"usage: [PYTHON=python3] sh {script} FOLDER\n")
    without = run("sh", script, tmp_path / "x", env=os.environ | {"PYTHON": "true"})
    said = "expected the Python package onnxruntime; pip install onnxruntime"
    assert (without.returncode, without.stderr) == (1, f"{script}: {said}\n")
    assert not (tmp_path / "x").exists()
