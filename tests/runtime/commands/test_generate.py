"""``cvae-generate``, from arguments to output."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.images
from cvae_runtime._commands import generate as _cli_generate


@pytest.fixture
def digit(tmp_path):
    """A grey picture of 28x28 pixels."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 12:16] = 255
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    return pixels


def test_the_default_is_16_samples_of_the_packaged_model(run, packaged_model):
    assert run() == (0, b"", "")
    grid = cvae.image_grid(cvae.to_uint8(packaged_model.generate(16)), scale=2)
    np.testing.assert_array_equal(np.asarray(Image.open("samples.png")), grid[..., 0])
    assert [path.name for path in Path().iterdir()] == ["samples.png"]  # nothing temporary is left


def test_a_bundle_is_the_argument(array, tiny_bundle, tiny_model):
    found = array(tiny_bundle, "-n", 5, "--seed", 3, "--first", 7, "--temperature", 0.5)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, tiny_model.generate(5, seed=3, first=7, temperature=0.5))


def test_bytes_do_not_depend_on_threads(run):
    outputs = [run("-n", 64, "--seed", 7, "--threads", n, "--format", "npy", "-o", "-") for n in (1, 2)]
    assert outputs[0] == outputs[1]
    assert (outputs[0][0], len(outputs[0][1])) == (0, 128 + 64 * 784 * 4)


def test_sample_40_of_64_is_the_first_from_40(array):
    many, one = array("-n", 64, "--seed", 7), array("--first", 40, "-n", 1, "--seed", 7)
    np.testing.assert_allclose(many[40:41], one, atol=1e-6)


def test_an_npz_contains_seed_and_indices(run, tiny_bundle, tiny_model):
    seed = (1 << 64) - 1
    assert run(tiny_bundle, "-n", 5, "--seed", seed, "--first", 40, "-o", "a.npz") == (0, b"", "")
    images, found, index = cvae.images.read_npz(Path("a.npz"), ["images", "seed", "index"])
    np.testing.assert_array_equal(images, tiny_model.generate(5, seed=seed, first=40))
    assert (found.item(), index.tolist()) == (seed, [40, 41, 42, 43, 44])


def test_uint8_arrays_are_the_grey_levels(array, tiny_bundle, tiny_model):
    found = array(tiny_bundle, "-n", 5, "--dtype", "uint8")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, cvae.to_uint8(tiny_model.generate(5)))


def test_latents_are_decoded(run, array, tiny_bundle, tiny_model):
    latents = cvae.prior_latents(5, 0, 4, 3)
    np.save("z.npy", latents)
    np.testing.assert_array_equal(array(tiny_bundle, "--latents", "z.npy"), tiny_model.decode(latents))
    assert run(tiny_bundle, "--latents", "z.npy", "-o", "a.npz") == (0, b"", "")
    np.testing.assert_array_equal(cvae.images.read_npz(Path("a.npz"), ["latents"])[0], latents)


def test_reconstruct_takes_all_names_up_to_the_next_option(run, digit, packaged_model):
    np.save("many.npy", np.stack([digit.T, digit[::-1]]))
    Image.fromarray(digit).save("digit.jpg", quality=95)
    names = ["digit.png", "many.npy", "digit.jpg"]
    assert run("--reconstruct", *names, "-o", "pairs.npz") == (0, b"", "")
    originals, images = cvae.images.read_npz(Path("pairs.npz"), ["originals", "images"])
    np.testing.assert_array_equal(originals[:3, ..., 0], [digit, digit.T, digit[::-1]])
    np.testing.assert_array_equal(images, packaged_model.reconstruct(originals))
    assert run("--reconstruct", names[0], "--reconstruct", *names[1:], "--dtype", "uint8", "-o", "a.npy")[0] == 0
    np.testing.assert_array_equal(cvae.images.read_npy(Path("a.npy")), cvae.to_uint8(images))


def test_reconstruct_takes_folders(run, digit, packaged_model):
    Path("photos/b").mkdir(parents=True)
    Image.fromarray(digit).save("photos/b/1.png")
    Image.fromarray(digit.T).save("photos/2.png")
    Path("photos/notes").write_text("x")
    line = "photos: skipped 1 file: 1 text (notes)\n"
    assert run("--reconstruct", "photos", "digit.png", "-o", "pairs.npz") == (0, b"", line)
    originals, images = cvae.images.read_npz(Path("pairs.npz"), ["originals", "images"])
    np.testing.assert_array_equal(originals[..., 0], [digit.T, digit, digit])
    np.testing.assert_array_equal(images, packaged_model.reconstruct(originals))


def test_the_bundle_precedes_the_names_or_follows_a_double_dash(run, tiny_bundle, tiny):
    np.save("tiny.npy", tiny.images)
    before = run(tiny_bundle, "-o", "-", "--reconstruct", "tiny.npy")
    after = run("-o", "-", "--reconstruct", "tiny.npy", "--", tiny_bundle)
    assert (before[0], before[1][:4], before[2]) == (0, b"\x89PNG", "")
    assert after == before


@pytest.mark.parametrize("flags", [[], ["-q"]])
def test_blocks_do_not_change_samples(flags, run, tiny_bundle, tiny_model, monkeypatch):
    monkeypatch.setattr(_cli_generate, "_BAR_FROM", 50)
    monkeypatch.setattr(_cli_generate, "_BLOCK", 16)
    code, out, err = run(tiny_bundle, "-n", 50, "--first", 5, "--format", "npy", "-o", "-", *flags)
    assert (code, "images" in err) == (0, not flags)  # a progress bar unless quiet
    found = np.lib.format.read_array(io.BytesIO(out))
    np.testing.assert_array_equal(found, tiny_model.generate(50, first=5))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-n", 5, "--first", 3], {"images": 5, "request": {"seed": 0, "first": 3, "count": 5, "temperature": 1.0}}),
        (["--latents", "z.npy"], {"images": 2, "request": {"latents": "z.npy"}}),
        (["--reconstruct", "tiny.npy"], {"images": 11, "request": {"reconstruct": ["tiny.npy"]}}),
        (["--traverse", 3, "--steps", 4], {"images": 12, "request": {"seed": 0, "traverse": "3"}}),
        (
            ["-n", 5, "--shard-size", 2, "-q"],
            {
                "output": "samples",
                "format": "npy",
                "images": 5,
                "request": {"seed": 0, "first": 0, "count": 5, "temperature": 1.0},
            },
        ),
    ],
    ids=str,
)
def test_json_is_the_result_of_the_command(arguments, expected, run, tiny_bundle, tiny):
    np.save("tiny.npy", tiny.images)
    np.save("z.npy", np.zeros((2, 3), np.float32))
    code, out, err = run(tiny_bundle, *arguments, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"output": "samples.png", "format": "png", **expected}
    assert Path(json.loads(out)["output"]).exists()


def test_a_shell_completes_options(run, monkeypatch):
    monkeypatch.setenv("_CVAE_GENERATE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "cvae-generate --man")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert run() == (0, b"plain,--manifold\n", "")
    monkeypatch.setenv("_CVAE_GENERATE_COMPLETE", "zsh_source")
    code, out, err = run()
    assert (code, err) == (0, "")
    assert b"_CVAE_GENERATE_COMPLETE=zsh_complete cvae-generate" in out
