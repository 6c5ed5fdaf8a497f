"""Errors of ``cvae-generate``: exit codes, whole messages, no output."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
import cvae_runtime.images
from tests.waits import PATIENCE

MAIN = [sys.executable, "-c", "from cvae_runtime._commands.generate import main; main()"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(cvae.__file__).parents[1])}


def test_malformed_latents_are_an_error(run, tiny_bundle):
    np.save("z.npy", np.zeros((4, 3)))
    message = "Error: latents must be float32 of shape (N, 3); found float64: use z.astype(numpy.float32)\n"
    assert run(tiny_bundle, "--latents", "z.npy") == (1, b"", message)
    message = "Error: z.png: cannot be read as a NumPy file: [Errno 2] No such file or directory: 'z.png'\n"
    assert run(tiny_bundle, "--latents", "z.png") == (1, b"", message)
    np.save("z.npy", np.array([[1.0], None], object), allow_pickle=True)
    message = (
        "Error: z.npy: expected an array of numbers, found pickled objects, which can run any code; save them as numbers: "
        "numpy.save(path, numpy.stack(list(array)))\n"
    )
    assert run(tiny_bundle, "--latents", "z.npy") == (1, b"", message)


def test_an_archive_of_latents_is_an_error_with_the_command_that_converts_it(run, tiny_bundle, tiny_model):
    latents = cvae.prior_latents(5, 0, 4, 3)
    np.savez("a code's.npz", index=np.arange(4), mean=latents)
    line = (
        """python -c "import sys, numpy; numpy.save(sys.argv[2], numpy.load(sys.argv[1])['mean'])" """
        """'a code'"'"'s.npz' 'a code'"'"'s.npy'"""
    )
    message = (
        f"Error: a code's.npz: expected an .npy file of latents, found an .npz archive of index, mean; convert it: "
        f"{line}\n"
    )
    assert run(tiny_bundle, "--latents", "a code's.npz") == (1, b"", message)
    subprocess.run(["/bin/sh", "-c", line.replace("python", sys.executable, 1)], check=True)
    np.savez("other.npz", x=latents)
    message = (
        "Error: other.npz: expected an .npy file of latents, found an .npz archive of x; save one of its arrays with "
        "numpy.save\n"
    )
    assert run(tiny_bundle, "--latents", "other.npz") == (1, b"", message)
    assert run(tiny_bundle, "--latents", "a code's.npy", "-o", "a.npy") == (0, b"", "")
    np.testing.assert_array_equal(cvae.images.read_npy(Path("a.npy")), tiny_model.decode(latents))


def test_images_that_do_not_fit_need_an_option(run):
    photo = np.full((40, 60, 3), 250, np.uint8)
    photo[5:35, 28:32] = 20
    Image.fromarray(photo).save("photo.png")
    message = "Error: photo.png: the model takes grey images, found colour; pass --grey, in Python read_images(..., grey=True), to turn it grey\n"
    assert run("--reconstruct", "photo.png") == (1, b"", message)
    message = (
        "Error: photo.png: the model takes 28x28 pixels (width x height), found 60x40; "
        "pass --resize, in Python read_images(..., resize=True), to scale and crop it\n"
    )
    assert run("--reconstruct", "photo.png", "--grey") == (1, b"", message)
    found = []
    for options in (["--resize", "--grey"], ["--resize", "--grey", "--invert"]):
        assert run("--reconstruct", "photo.png", *options, "-o", "a.npz", "--overwrite") == (0, b"", "")
        found.append(cvae.images.read_npz(Path("a.npz"), ["originals"])[0])
    np.testing.assert_array_equal(found[1], 255 - found[0])
    assert (found[0].shape, np.median(found[0]), np.median(found[1])) == ((1, 28, 28, 1), 250, 5)


def test_an_existing_file_needs_overwrite(run, tiny_bundle):
    Path("samples.png").write_bytes(b"old")
    message = "Error: samples.png exists already; choose another name or pass --overwrite\n"
    assert run(tiny_bundle) == (1, b"", message)
    assert Path("samples.png").read_bytes() == b"old"
    assert run(tiny_bundle, "--overwrite") == (0, b"", "")
    with Image.open("samples.png") as image:
        assert image.size == (4 * 9 + 1, 4 * 9 + 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "0"], "count must be a whole number of at least 1; found 0"),
        (["--temperature", "nan"], "temperature must be a finite number of at least 0; found nan"),
        (["--threads", "0"], "threads must be 1 to 1024; found 0"),
        (["--precision", "int8"], "precision int8: the bundle has graphs in float32; choose one of them"),
        (["-o", "a.jpg"], "a.jpg: expected a name that ends in .png, .gif, .npy, .npz; or pass --format"),
        (["-o", "none/a.png"], "cannot write none/a.png: the folder none does not exist; create it first"),
        (
            ["--reconstruct", "none.png"],
            "none.png: expected a folder of images, an image, an .npy or an IDX file, found nothing; check the name",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_1_with_one_message_and_no_output(arguments, message, run, tiny_bundle, tmp_path):
    code, out, err = run(tiny_bundle, *arguments)
    assert (code, out) == (1, b"")
    assert err.startswith(f"Error: {message}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [tiny_bundle]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--latents", "z.npy", "--reconstruct", "a.png"],
            "--latents and --reconstruct contradict each other: pass one of them",
        ),
        (
            ["--reconstruct", "a.png", "--temperature", "1"],
            "--count, --first and --temperature are for samples, not for --reconstruct",
        ),
        (["--invert"], "--resize, --grey and --invert are for --reconstruct, --interpolate and --traverse"),
        (["--json", "-o", "-"], "--json and --output - both write to stdout: name a file with --output"),
        (["--reconstruct"], "Option '--reconstruct' requires an argument."),
        (["--reconstruct", "-o", "a.png"], "Option '--reconstruct' requires an argument."),
        (["-n", "many"], "Invalid value for '-n' / '--count': 'many' is not a valid integer."),
        (["--format", "bmp"], "'bmp' is not one of 'png', 'gif', 'npy', 'npz', 'parquet', 'tar'."),
        (["--provider", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'cuda', "),
        (["-o", "a.png", "--receipt", "a.png"], "--receipt and --output name the same file"),
        (["--sed", "5"], "--sed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_errors_are_2_with_a_message(arguments, message, run, tiny_bundle, tmp_path):
    code, out, err = run(tiny_bundle, *arguments)
    assert (code, out) == (2, b"")
    assert err.startswith(("Usage: cvae-generate [OPTIONS] [BUNDLE]\n", f"Error: {message}\n"))
    assert message in err
    assert list(tmp_path.iterdir()) == [tiny_bundle]


def test_a_bad_bundle_is_5(run, tiny_bundle):
    message = "Error: none: expected a bundle, a folder with manifest.json, found nothing; cvae-export makes one\n"
    assert run("none") == (5, b"", message)
    (tiny_bundle / "decoder.onnx").write_bytes(b"")
    code, out, err = run(tiny_bundle)
    assert (code, out) == (5, b"")
    assert err.startswith(f"Error: {tiny_bundle / 'decoder.onnx'}: expected ")
    assert err.endswith(" bytes, found 0; get the bundle again\n")


def test_ctrl_c_is_130_and_leaves_nothing(run, tiny_bundle, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cvae.Model, "generate", interrupt)
    code, out, err = run(tiny_bundle)
    assert (code, out, err.strip()) == (130, b"", "interrupted")
    assert list(tmp_path.iterdir()) == [tiny_bundle]


def test_a_closed_pipe_prints_no_traceback(tiny_bundle):
    command = [*MAIN, str(tiny_bundle), "--format", "npy", "-o", "-"]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # long before there is anything to write
        assert (process.stderr.read(), process.wait(PATIENCE)) == (b"", 1)


def test_images_on_one_side_of_the_threshold_are_an_error(run, tiny_bundle, tiny):
    np.save("dark.npy", tiny.images // 4)
    message = (
        "Error: dark.npy: expected images with levels on both sides of the model's threshold, 128; found 11 of 11 on "
        "one side (levels 0 to 62); scale their levels to 0 to 255, or use a model that was trained with "
        "--binarize none\n"
    )
    assert run(tiny_bundle, "--reconstruct", "dark.npy") == (1, b"", message)
    assert not Path("samples.png").exists()
