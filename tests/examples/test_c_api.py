"""Build the examples in C, Rust and Go with the commands of their READMEs, and compare their results with Python's."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

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
    write_images,
    write_scored,
)

RUNTIME = Path(os.environ.get("ONNXRUNTIME_ROOT", ROOT / ".venv" / "onnxruntime"))
TOOLS = {"c": ["cc"], "rust": ["rustc", "bindgen", "cc"], "go": ["go", "cc"]}
USAGE = "expected sample BUNDLE SEED FIRST COUNT NAME, encode BUNDLE IMAGE NAME, "


def block(language, heading):
    """The first block of commands below a heading of a README."""
    text = (ROOT / "examples" / language / "README.md").read_text()
    return re.search(rf"^## {heading}\n.*?^```\n(.*?)^```\n", text, re.MULTILINE | re.DOTALL)[1]


def shell(commands, folder):
    return subprocess.run(["sh", "-e", "-c", commands], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=list(TOOLS))
def language(request):
    return request.param


@pytest.fixture(scope="module")
def built(language, tmp_path_factory):
    """A copy of the example with the finished program."""
    for tool in TOOLS[language]:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    if not (RUNTIME / "include" / "onnxruntime_c_api.h").exists():
        pytest.skip(f"ONNX Runtime's headers are missing: sh examples/cpp/onnxruntime.sh {RUNTIME} fetches them")
    folder = shutil.copytree(ROOT / "examples" / language, tmp_path_factory.mktemp("native") / language)
    (folder / "onnxruntime").symlink_to(RUNTIME.resolve())
    fetch, commands = block(language, "Build").split("\n", 1)
    assert fetch == "sh ../cpp/onnxruntime.sh onnxruntime"
    made = shell(commands, folder)
    if "Unable to find libclang" in made.stderr:
        pytest.skip("bindgen needs libclang, which is not installed (Debian: clang)")
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    return folder


@pytest.fixture
def run(built, tmp_path):
    """Return a function that runs cvae in an empty folder and returns its exit code, its output and its messages."""

    def run(*arguments):
        command = [str(part) for part in (built / "cvae", *arguments)]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return result.returncode, result.stdout, result.stderr

    return run


@pytest.fixture
def fails(run):
    """Return a function that runs cvae and asserts its exit code and its whole message."""

    def fails(code, message, *arguments):
        assert run(*arguments) == (code, "", f"cvae: {message}\n")

    return fails


def assert_written(name, z, probs, folder):
    """Assert the decoder's output, and the picture with all images one below the other."""
    assert_close(floats(folder / f"{name}.z", z.shape), z)
    assert_close(floats(folder / f"{name}.probs", probs.shape), probs)
    count, height, width, channels = probs.shape
    path = folder / f"{name}.{'pgm' if channels == 1 else 'ppm'}"
    assert path.read_bytes().startswith(b"P5\n" if channels == 1 else b"P6\n")
    levels = np.asarray(Image.open(path)).reshape(count, height, width, channels)
    assert np.abs(levels.astype(int) - cvae.to_uint8(probs)).max() <= 1


@pytest.mark.parametrize(
    ("bundle", "seed", "first", "count"),
    [(NOTEBOOK, 7, 0, 16), (NOTEBOOK, 0, 40, 300), (COLOUR, 2**64 - 1, 2**40, 3)],
    ids=["grey", "many", "colour"],
)
def test_samples_match_python(run, tmp_path, bundle, seed, first, count):
    assert run("sample", bundle, seed, first, count, "a") == (0, "", "")
    with cvae.load(bundle, provider="cpu") as model:
        z = cvae.prior_latents(seed, first, count, model.latent_dim)
        assert_written("a", z, model.generate(count, seed=seed, first=first), tmp_path)
    np.testing.assert_array_max_ulp(floats(tmp_path / "a.z", z.shape), z, maxulp=1)


def test_samples_of_a_learned_prior_match_python(run, tmp_path, prior_bundle, prior_model):
    assert run("sample", prior_bundle, 7, 0, 300, "a") == (0, "", "")
    z = prior_model.latents(300, seed=7)
    assert_written("a", z, prior_model.generate(300, seed=7), tmp_path)
    assert np.abs(z - cvae.prior_latents(7, 0, 300, 3)).max() > 0.1


def options_of(label, language):
    """The option that chooses a class. The program in C compares names with the JSON of the graphs' metadata."""
    if label is None:
        return []
    return ["--label", json.dumps(label)[1:-1] if language == "c" else label]


@pytest.mark.parametrize("label", [None, *LABELS])
def test_samples_of_a_class_match_python(run, language, tmp_path, labelled_bundle, labelled_model, label):
    assert run("sample", labelled_bundle, 7, 0, 300, "a", *options_of(label, language)) == (0, "", "")
    images = labelled_model.generate(300, seed=7, label=label)
    assert_written("a", labelled_model.latents(300, seed=7, label=label), images, tmp_path)
    others = [labelled_model.generate(300, seed=7, label=other) for other in {None, *LABELS} - {label}]
    assert min(np.abs(images - other).max() for other in others) > 1e-3


@pytest.mark.parametrize("label", [None, "7"])
def test_codes_of_a_class_match_python(run, language, tmp_path, labelled_bundle, labelled_model, label):
    images = cvae.to_uint8(labelled_model.generate(1, seed=99))
    mean, logvar = labelled_model.encode(images, label=label)
    path = write_image(tmp_path / "a.pnm", images[0])
    assert run("encode", labelled_bundle, path, "b", *options_of(label, language)) == (0, "", "")
    assert_written("b", mean, labelled_model.reconstruct(images, label=label), tmp_path)
    assert_close(floats(tmp_path / "b.logvar", logvar.shape), logvar)


def test_wrong_labels(fails, tmp_path, labelled_bundle):
    image = write_image(tmp_path / "a.pgm", np.zeros((8, 8, 1), np.uint8))
    large = write_image(tmp_path / "b.pgm", np.zeros((28, 28, 1), np.uint8))
    for bundle, path, label, expected in (
        (labelled_bundle, image, "8", f"one of {json.dumps(LABELS)}"),
        (labelled_bundle, image, "", f"one of {json.dumps(LABELS)}"),
        (NOTEBOOK, large, "7", "none, since the model has no labels"),
    ):
        said = f"--label: expected {expected}; found '{label}'"
        fails(1, said, "sample", bundle, 7, 0, 1, "c", "--label", label)
        fails(1, said, "encode", bundle, path, "c", "--label", label)
        fails(1, said, "score", bundle, path, "--label", label)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pgm", "b.pgm"]


@pytest.mark.parametrize(("bundle", "seed", "index", "latent"), KNOWN)
def test_known_latents(run, tmp_path, bundle, seed, index, latent):
    assert run("sample", bundle, seed, index, 1, "a") == (0, "", "")
    np.testing.assert_array_max_ulp(floats(tmp_path / "a.z", latent.shape), latent.view(np.float32), maxulp=1)


@pytest.mark.parametrize("bundle", [NOTEBOOK, COLOUR], ids=["grey", "colour"])
def test_codes_match_python(run, tmp_path, bundle):
    with cvae.load(bundle, provider="cpu") as model:
        images = cvae.to_uint8(model.generate(1, seed=99))
        mean, logvar = model.encode(images)
        again = model.reconstruct(images)
    assert run("encode", bundle, write_image(tmp_path / "a.pnm", images[0]), "b") == (0, "", "")
    assert_written("b", mean, again, tmp_path)
    assert_close(floats(tmp_path / "b.logvar", logvar.shape), logvar)


def test_codes_match_golden_vectors(run, tmp_path, golden):
    case = golden["encoder.onnx"]
    for index, path in enumerate(write_images(tmp_path, case.inputs["images"])):
        assert run("encode", NOTEBOOK, path, "b") == (0, "", "")
        for name, suffix in (("mean", "z"), ("logvar", "logvar")):
            expected = case.outputs[name][index]
            found = floats(tmp_path / f"b.{suffix}", expected.shape)
            np.testing.assert_allclose(found, expected, rtol=0, atol=case.atol)


@pytest.mark.parametrize(("name", "label"), SCORED)
def test_scores_match_python(run, language, tmp_path, request, name, label):
    bundle = request.getfixturevalue(name)
    paths, expected = write_scored(tmp_path, bundle, label)
    code, output, messages = run("score", bundle, *paths, *options_of(label, language))
    assert (code, messages) == (0, "")
    assert_close(scores(output, paths), expected)


def test_commands_of_the_readme(language, built):
    commands, packaged = block(language, "Run"), "../../runtime/cvae_runtime/bundles/mnist"
    assert commands.startswith(f"bundle={packaged}\n")
    found = shell(commands.replace(packaged, str(cvae.packaged_bundle())), built)
    assert (found.returncode, found.stderr) == (0, "")
    text = (ROOT / "examples" / language / "README.md").read_text()
    said = re.search(r"^The output is\n\n```\n(.*?)^```\n", text, re.MULTILINE | re.DOTALL)[1]
    number = r"(?<=ELBO )\S+|(?<=difference )\S+(?=,)|\S+(?= ulp)"  # differs between processors
    assert re.sub(number, "?", found.stdout) == re.sub(number, "?", said)
    elbos = r"ELBO (\S+)"
    measured, shown = (np.array(re.findall(elbos, text), float) for text in (found.stdout, said))
    np.testing.assert_allclose(measured, shown, rtol=0, atol=0.5)  # a sample's pixels can differ by a level


def test_usage_errors(run, fails):
    for arguments in (
        [],
        ["sample", NOTEBOOK, 1],
        ["encode", NOTEBOOK, "a"],
        ["score", NOTEBOOK],
        ["draw", NOTEBOOK, 1, 0, 1, "a"],
        ["sample", NOTEBOOK, 1, 0, 1, "a", "--label"],
    ):
        code, output, message = run(*arguments)
        assert (code, output) == (2, "")
        assert message.startswith(f"cvae: {USAGE}")
    last = 2**63 // 25 - 1
    for arguments, least, most, found in (
        ((-1, 0, 1), 0, 2**64 - 1, "-1"),
        ((2**64, 0, 1), 0, 2**64 - 1, "18446744073709551616"),
        ((1, last + 1, 1), 0, last, str(last + 1)),
        ((1, "3x", 1), 0, last, "3x"),
        ((1, 0, 0), 1, 100000, "0"),
    ):
        message = f"expected a whole number from {least} to {most}, found '{found}'"
        fails(2, message, "sample", NOTEBOOK, *arguments, "a")
    assert run("sample", NOTEBOOK, 1, last, 1, "a") == (0, "", "")


def test_invalid_bundles(run, fails, tmp_path):
    for role, arguments in (("decoder", ("sample", "b", 7, 0, 1, "a")), ("encoder", ("encode", "b", "a.pgm", "a"))):
        fails(5, f"b: expected a bundle, a folder with {role}.onnx; cvae-export makes one", *arguments)
    decoder = tmp_path / "b" / "decoder.onnx"
    decoder.parent.mkdir()
    decoder.write_bytes((NOTEBOOK / "decoder.onnx").read_bytes()[:1000])
    code, output, message = run("sample", "b", 7, 0, 1, "a")
    assert (code, output) == (5, "")
    said = "expected a graph that ONNX Runtime opens; export it again. ONNX Runtime: "
    assert message.startswith(f"cvae: b/decoder.onnx: {said}")


def test_later_format(fails, later_bundle, tmp_path):
    message = "use the version of cvae-toolkit that wrote it, or export the bundle again"
    said = f"expected format 1 or 2, found 3; {message}"
    fails(5, f"later/decoder.onnx: {said}", "sample", later_bundle.name, 7, 0, 1, "a")
    fails(5, f"later/encoder.onnx: {said}", "encode", later_bundle.name, "a.pgm", "a")
    fails(5, f"later/encoder.onnx: {said}", "score", later_bundle.name, "a.pgm")
    assert [path.name for path in tmp_path.iterdir()] == ["later"]


def test_missing_graphs(fails, tmp_path, prior_bundle):
    without = shutil.copytree(prior_bundle, tmp_path / "b")
    for role in ("prior", "prior_density", "scorer"):
        (without / f"{role}.onnx").unlink()
    said = "b: expected a bundle, a folder with {}.onnx; cvae-export makes one"
    fails(5, said.format("prior"), "sample", "b", 7, 0, 1, "a")
    image = write_image(tmp_path / "a.pgm", np.zeros((8, 8, 1), np.uint8))
    fails(5, said.format("prior_density"), "score", "b", image)
    said = "expected scorer.onnx, or a Bernoulli model; cvae-export --with scorer makes the graph"
    fails(5, f"{COLOUR}: {said}", "score", COLOUR, "a.ppm")


@pytest.mark.parametrize(
    "content",
    [b"", b"P5 27 28 255 " + bytes(756), b"P6 28 28 255 " + bytes(2352), b"P5 28 28 255 " + bytes(783), b"P2 28 28 255 0"],
    ids=["empty", "size", "colour", "short", "text"],
)  # fmt: skip
def test_invalid_images(fails, tmp_path, content):
    (tmp_path / "a.pgm").write_bytes(content)
    said = "a.pgm: expected P5 without comments, width 28, height 28, levels 0 to 255; convert it first"
    fails(1, said, "encode", NOTEBOOK, "a.pgm", "b")
    fails(1, said, "score", NOTEBOOK, "a.pgm")


def test_files_that_cannot_be_used(fails):
    fails(1, "no.pgm: cannot be opened for reading", "score", NOTEBOOK, "no.pgm")
    fails(1, "no/such.z: cannot be written", "sample", NOTEBOOK, 7, 0, 1, "no/such")


@pytest.mark.parametrize("language", ["go"], indirect=True)  # C and Rust come without a reader of JSON
@pytest.mark.parametrize("bundle", ["prior_bundle", "labelled_bundle"])
def test_self_test_checks_all_graphs(run, request, bundle):
    code, output, messages = run("test", request.getfixturevalue(bundle))
    assert (code, messages, output.count("WRONG")) == (0, "", 0)
    lines = [line.split(":")[0].removeprefix("ok    ") for line in output.splitlines() if ".onnx" in line]
    assert lines == GOLDEN_OUTPUTS


@pytest.mark.parametrize("language", ["go"], indirect=True)
def test_self_test_finds_differences(run, tmp_path):
    shutil.copytree(COLOUR, tmp_path / "b")
    (tmp_path / "b" / "encoder.onnx").unlink()
    golden = json.loads((COLOUR / "golden.json").read_text())
    case = next(case for case in golden["cases"] if case["file"] == "decoder.onnx")
    case["atol"] = -1.0
    golden["rng"][0]["seed"] = "1"
    (tmp_path / "b" / "golden.json").write_text(json.dumps(golden))
    code, output, messages = run("test", "b")
    assert (code, messages) == (3, "")
    lines = [line.split(":")[0] for line in output.splitlines() if not line.startswith("ok ")]
    assert lines == [
        "WRONG latents, seed 1, first 0",
        "none  encoder.onnx",
        "WRONG decoder.onnx, log_scale",
        "WRONG decoder.onnx, probs",
    ]
    (tmp_path / "b" / "golden.json").unlink()
    found = "open b/golden.json: no such file or directory"
    said = f"cvae: b/golden.json: expected golden vectors, found: {found}; cvae-export makes them\n"
    assert run("test", "b") == (5, "", said)


def test_random_numbers_of_rust(tmp_path):
    if not shutil.which("rustc"):
        pytest.skip("rustc is not installed")
    source = ROOT / "examples" / "rust" / "random.rs"
    found = shell(f"rustc --edition 2021 --test {source} && ./random", tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "1 passed; 0 failed" in found.stdout
