"""Errors of ``cvae-generate``: exit codes, whole messages, no output."""

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


SHARDS = ["--shard-size", "100", "--provider", "cpu"]


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
        (["--manifold", "--steps", "1"], "steps must be a whole number of at least 2; found 1"),
        (["--manifold", "--dimensions", "0,3"], "dimensions must be distinct whole numbers from 0 to 2; found [0, 3]"),
        (["--manifold", "--dimensions", "1"], "a manifold needs exactly 2 latent dimensions; found 1"),
        (["--traverse", "0", "--span", "0"], "span must be a finite number above 0; found 0.0"),
        (
            ["--traverse", str(2**63)],
            f"first + count must be at most {2**62} for latents of 3; found {2**63} + 1",
        ),
        (
            ["--traverse", ""],
            (
                ".: expected images (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP) in the folder, found none; skipped 4 files: "
                "2 text (tiny/golden.json, tiny/manifest.json), 2 unknown (tiny/decoder.onnx, tiny/encoder.onnx)"
            ),
        ),
        (
            ["--interpolate", "0", "b.png"],
            "b.png: expected a folder of images, an image, an .npy or an IDX file, found nothing; check the name",
        ),
        (
            ["--manifold", "--steps", "101"],
            "10,201 images are too many for one png (at most 10,000); pass --format npy or --separate",
        ),
        (["-o", "a.npy", "--scale", "2"], "--scale and --captions are for pictures; a npy holds numbers"),
        (
            ["-o", "many", "--separate", "--captions"],
            "--captions is for one picture; separate files have their numbers in their names",
        ),
        (["--shard-size", "0"], "shard size must be a whole number of at least 1; found 0"),
        (["--shard-size", "5", "-n", "0"], "count must be a whole number of at least 1; found 0"),
        (["--shard-size", "5", "--first", "-1"], "first must be a whole number of at least 0; found -1"),
        ([*SHARDS, "-o", "none/out"], "cannot write none/out: the folder none does not exist; create it first"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_errors_are_1_with_one_message_and_no_output(arguments, message, run, tiny_bundle, tmp_path):
    assert run(tiny_bundle, *arguments) == (1, b"", f"Error: {message}\n")
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
        (["--invert"], "--resize, --grey and --invert are for --reconstruct, --restyle, --interpolate and --traverse"),
        (["--json", "-o", "-"], "--json and --output - both write to stdout: name a file with --output"),
        (["--reconstruct"], "Option '--reconstruct' requires an argument."),
        (["--reconstruct", "-o", "a.png"], "Option '--reconstruct' requires an argument."),
        (["-n", "many"], "Invalid value for '-n' / '--count': 'many' is not a valid integer."),
        (
            ["--format", "bmp"],
            "Invalid value for '--format': 'bmp' is not one of 'png', 'gif', 'npy', 'npz', 'parquet', 'tar'.",
        ),
        (
            ["--provider", "tpu"],
            "Invalid value for '--provider': 'tpu' is not one of 'auto', 'cpu', 'cuda', 'tensorrt', 'openvino', 'webgpu', 'coreml', 'directml'.",
        ),
        (["-o", "a.png", "--receipt", "a.png"], "--receipt and --output name the same file"),
        (["--manifold", "--traverse", "0"], "--traverse and --manifold contradict each other: pass one of them"),
        (
            ["--interpolate", "0", "1", "--manifold"],
            "--interpolate and --manifold contradict each other: pass one of them",
        ),
        (
            ["--reconstruct", "a.png", "--interpolate", "0", "1"],
            "--reconstruct and --interpolate contradict each other: pass one of them",
        ),
        (["--latents", "z.npy", "--traverse", "0"], "--latents and --traverse contradict each other: pass one of them"),
        (["--manifold", "-n", "3"], "--count, --first and --temperature are for samples, not for --manifold"),
        (["--traverse", "0", "--first", "3"], "--count, --first and --temperature are for samples, not for --traverse"),
        (
            ["--manifold", "--grey"],
            "--resize, --grey and --invert are for --reconstruct, --restyle, --interpolate and --traverse",
        ),
        (["--method", "linear"], "--method is for --interpolate"),
        (["--traverse", "0", "--method", "spherical"], "--method is for --interpolate"),
        (["--steps", "5"], "--steps is for --interpolate, --traverse, --manifold"),
        (["--interpolate", "0", "1", "--dimensions", "1"], "--dimensions is for --traverse, --manifold"),
        (["--manifold", "--span", "2"], "--span is for --traverse"),
        (["--manifold", "--captions"], "--captions is for samples and --traverse, not for --manifold"),
        (["--reconstruct", "a.png", "--captions"], "--captions is for samples and --traverse, not for --reconstruct"),
        (["--gif", "--format", "npy"], "--gif and --format npy contradict each other: pass one of them"),
        (["--interpolate", "0"], "Option '--interpolate' requires 2 arguments."),
        (["--scale", "0"], "Invalid value for '--scale': 0 is not in the range 1<=x<=16."),
        (
            ["--manifold", "--dimensions", "3,x"],
            "Invalid value for '--dimensions': expected integers separated by commas, such as 3,7; found '3,x'",
        ),
        (["--resume"], "--resume is for shards: pass --shard-size"),
        (["--format", "tar"], "--format tar needs shards: pass --shard-size"),
        (["--format", "parquet"], "--format parquet needs shards: pass --shard-size"),
        ([*SHARDS, "--format", "png"], "--format: expected npy, parquet, tar for shards, found png"),
        ([*SHARDS, "--format", "tar", "--dtype", "uint8"], "--dtype is for arrays; a tar holds pictures"),
        ([*SHARDS, "--separate"], "--shard-size is for samples, not for --separate"),
        ([*SHARDS, "--latents", "z.npy"], "--shard-size is for samples, not for --latents"),
        ([*SHARDS, "--manifold"], "--shard-size is for samples, not for --manifold"),
        ([*SHARDS, "-o", "-"], "cannot write shards to stdout: name a folder with --output"),
        ([*SHARDS, "--resume", "--overwrite"], "--resume and --overwrite contradict each other: pass one of them"),
        ([*SHARDS, "--workers", 3], "--address and --workers are for --executor ray"),
        ([*SHARDS, "--address", "auto"], "--address and --workers are for --executor ray"),
        (["--executor", "ray"], "--executor ray needs shards: pass --shard-size"),
        (
            [*SHARDS, "--executor", "ray", "--receipt", "r.json"],
            "--receipt describes this process: it is for --executor local",
        ),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_usage_errors_are_2_with_a_message(arguments, message, run, tiny_bundle, tmp_path):
    code, out, err = run(tiny_bundle, *arguments)
    assert (code, out) == (2, b"")
    assert err.endswith(f"Error: {message}\n")
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
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
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
