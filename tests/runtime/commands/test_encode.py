"""``cvae-encode``, from arguments to output."""

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

import cvae_runtime as cvae
import cvae_runtime.bundle
from cvae_runtime._jobs import codes as _codes

MAIN = "from cvae_runtime._commands.encode import main; main()"
# Limit the size of files, which acts as a full disk.
LIMITED_TO = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); " + MAIN
# Interrupts the process when it has encoded for the second time.
INTERRUPTED = (
    """
import os, signal
import cvae_runtime._jobs.codes as codes
score, calls = codes.Model.score, 0
def interrupting(*arguments, **options):
    global calls
    calls += 1
    if calls == 2:
        os.kill(os.getpid(), signal.SIGINT)
    return score(*arguments, **options)
codes.Model.score, codes._BATCH_BYTES = interrupting, 1
"""
    + MAIN
)


@pytest.fixture
def images(tmp_path):
    """75 images for the tiny model, in ``images.npy`` of the folder that commands run in: three batches, if small."""
    images = np.random.default_rng(3).integers(0, 256, (75, 4, 4, 1), np.uint8)
    np.save(tmp_path / "images.npy", images)
    return images


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(_codes, "_BATCH_BYTES", 1)


def arrays(path):
    with np.load(path) as archive:
        return dict(archive)


def table(path):
    found = parquet.read_table(path)
    return {
        name: np.array(found[name].to_pylist(), np.float32 if name in ("mean", "logvar") else None)
        for name in found.column_names
    }


def save_pngs(folder, images):
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder / f"{index:03d}.png")


def expected_columns(model, images, **how):
    posterior, scores = model.encode(images), model.score(images, **how)
    return {"index": np.arange(len(images)), "mean": posterior.mean, "logvar": posterior.logvar, "elbo": scores.elbo}


def same(found, expected):
    assert list(found) == list(expected)
    for name, column in expected.items():
        assert found[name].dtype == column.dtype
        np.testing.assert_array_equal(found[name], column, err_msg=name)
    return True


@pytest.mark.parametrize(("name", "read"), [("codes.npz", arrays), ("codes.parquet", table)])
def test_a_table_has_the_codes_and_scores_of_each_image(name, read, encode, tiny_bundle, tiny_model, images):
    assert encode(tiny_bundle, "images.npy", "--seed", 7, "-o", name) == (0, b"", "")
    assert same(read(name), expected_columns(tiny_model, images, seed=7))
    assert sorted(path.name for path in Path().iterdir()) == [name, "images.npy", "tiny"]  # nothing temporary is left


def test_samples_add_the_importance_weighted_bound(encode, tiny_bundle, tiny_model, images):
    assert encode(tiny_bundle, "images.npy", "--samples", 5, "-o", "codes.npz") == (0, b"", "")
    expected = expected_columns(tiny_model, images, samples=5)
    bound = tiny_model.score(images, samples=5).iw_bound
    assert same(arrays("codes.npz"), {**expected, "iw_bound": bound})


@pytest.mark.parametrize(("name", "read"), [("codes.npz", arrays), ("codes.parquet", table)])
@pytest.mark.usefixtures("small_batches")
def test_a_folder_s_table_has_paths(name, read, encode, tiny_bundle, images):
    save_pngs(Path("photos"), images[:40])
    save_pngs(Path("photos/deeper in"), images[40:])
    assert encode("-q", tiny_bundle, "photos", "-o", name) == (0, b"", "")
    found = read(name)
    assert list(found) == ["index", "path", "folder", "mean", "logvar", "elbo"]
    paths = [*(f"{i:03d}.png" for i in range(40)), *(f"deeper in/{i:03d}.png" for i in range(35))]
    assert found.pop("path").tolist() == paths
    assert found.pop("folder").tolist() == [""] * 40 + ["deeper in"] * 35
    encode("-q", tiny_bundle, "images.npy", "-o", "array.npz")
    assert same(found, arrays("array.npz"))


def test_every_kind_of_source_gives_the_same_codes(encode, tiny_bundle, tiny_model, images, write_idx):
    np.save("float.npy", (images / 255).astype(np.float64))
    sources = [write_idx(Path("images-idx3-ubyte"), images[..., 0]), write_idx(Path("i.gz"), images[..., 0])]
    for source in ["images.npy", "float.npy", *sources]:
        assert encode(tiny_bundle, source, "--overwrite") == (0, b"", "")
        assert same(arrays("codes.npz"), expected_columns(tiny_model, images))


def test_options_fit_images_to_the_model(encode, tiny_bundle, tiny_model):
    photo = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    Image.fromarray(photo).save("photo.png")
    assert encode(tiny_bundle, "photo.png", "--resize", "--grey", "--invert") == (0, b"", "")
    fitted = cvae.read_images([Path("photo.png")], (4, 4, 1), resize=True, grey=True, invert=True)
    assert same(arrays("codes.npz"), expected_columns(tiny_model, fitted))


@pytest.mark.parametrize("file_format", ["npz", "parquet"])
@pytest.mark.usefixtures("small_batches")
def test_bytes_do_not_depend_on_threads(file_format, encode, packaged_model):
    np.save("images.npy", cvae.to_uint8(packaged_model.generate(100)))
    for threads in (1, 2):
        assert encode("-q", "images.npy", "--threads", threads, "-o", f"{threads}.{file_format}") == (0, b"", "")
    assert Path(f"1.{file_format}").read_bytes() == Path(f"2.{file_format}").read_bytes()


@pytest.mark.usefixtures("images")
def test_format_wins_over_the_name(encode, tiny_bundle):
    assert encode(tiny_bundle, "images.npy", "--format", "npz", "-o", "codes.dat") == (0, b"", "")
    assert arrays("codes.dat")["index"].tolist() == list(range(75))


@pytest.mark.usefixtures("images", "small_batches")
def test_progress_lines_for_several_batches(encode, tiny_bundle):
    lines = "images: 32 of 75\nimages: 64 of 75\nimages: 75 of 75\n"
    assert encode(tiny_bundle, "images.npy") == (0, b"", lines)
    assert encode("-q", tiny_bundle, "images.npy", "--overwrite") == (0, b"", "")


@pytest.mark.usefixtures("small_batches")
def test_top_anomalies_are_printed_and_drawn_lowest_first(encode, tiny_bundle, tiny_model, images):
    Path("out").mkdir()
    code, out, _ = encode(tiny_bundle, "images.npy", "--top-anomalies", 3, "-o", "out/codes.npz")
    elbo = arrays("out/codes.npz")["elbo"]
    lowest = np.argsort(elbo)[:3]
    assert (code, out.decode()) == (0, "".join(f"{i}\t{elbo[i]:.2f}\n" for i in lowest))
    picture = np.asarray(Image.open("out/codes_anomalies.png"))
    again = cvae.to_uint8(tiny_model.reconstruct(images[lowest]))
    width = (picture.shape[1] - 1) // 3
    for place, (image, reconstruction) in enumerate(zip(images[lowest], again, strict=True)):
        left = 1 + place * width + (width - 1 - 10) // 2  # captions are wider than these images
        np.testing.assert_array_equal(picture[2:10:2, left + 1 : left + 9 : 2], image[..., 0])
        np.testing.assert_array_equal(picture[11:19:2, left + 1 : left + 9 : 2], reconstruction[..., 0])


def test_anomalies_of_a_folder_have_their_paths(encode, tiny_bundle, images):
    save_pngs(Path("photos"), images[:2])
    command = [tiny_bundle, "photos", "--top-anomalies", 20, "--anomalies", "odd.png"]
    code, out, err = encode(*command)
    assert (code, err) == (0, "")
    elbo = arrays("codes.npz")["elbo"]
    assert out.decode() == "".join(f"{i}\t00{i}.png\t{elbo[i]:.2f}\n" for i in np.argsort(elbo))
    with Image.open("odd.png") as picture:
        assert picture.format == "PNG"
    assert encode("-q", *command, "--overwrite") == (0, b"", "")


def test_skipped_files_are_named(encode, tiny_bundle, images):
    save_pngs(Path("photos"), images[:2])
    Path("photos/0.heic").write_bytes(b"\0\0\0\x18ftypheic")
    Path("photos/notes").write_text("x")
    Image.fromarray(images[2, ..., 0]).save("photos/z.tiff")
    line = "photos: skipped 2 files: 1 AVIF or HEIC (0.heic), 1 text (notes)\n"
    assert encode(tiny_bundle, "photos") == (0, b"", line)
    assert arrays("codes.npz")["path"].tolist() == ["000.png", "001.png", "z.tiff"]


def test_each_row_of_a_2d_array_is_an_image(encode, tiny_bundle, tiny_model, images):
    np.save("flat.npy", images.reshape(75, 16))
    for options in ((), ("--resize", "--overwrite")):
        assert encode(tiny_bundle, "flat.npy", *options) == (0, b"", "")
        assert same(arrays("codes.npz"), expected_columns(tiny_model, images))


@pytest.mark.parametrize("options", [(), ("--invert",)])
def test_images_on_one_side_of_the_threshold_are_an_error(options, encode, tiny_bundle, images):
    np.save("dark.npy", images // 4)
    levels = "192 to 255" if options else "0 to 63"
    message = (
        f"Error: dark.npy: expected images with levels on both sides of the model's threshold, 128; found 75 of 75 on "
        f"one side (levels {levels}); scale their levels to 0 to 255, or use a model that was trained with "
        f"--binarize none\n"
    )
    assert encode("-q", tiny_bundle, "dark.npy", *options) == (1, b"", message)
    assert not Path("codes.npz").exists()


def test_lost_images_are_counted(encode, tiny_bundle, images):
    images[40:] //= 4
    np.save("images.npy", images)
    line = "images.npy: the model's threshold makes 35 of 75 images all black or all white; their codes carry no information\n"
    assert encode(tiny_bundle, "images.npy") == (0, b"", line)
    assert encode("-q", tiny_bundle, "images.npy", "--overwrite") == (0, b"", "")


def test_a_model_without_a_threshold_accepts_dark_images(encode, bundles, images, tmp_path):
    bundle = bundles.write(tmp_path / "grey", preprocessing=cvae.bundle.Preprocessing(255, None))
    np.save("dark.npy", images // 4)
    assert encode(bundle, "dark.npy") == (0, b"", "")


@pytest.mark.usefixtures("images")
def test_a_receipt_records_the_run(encode, tiny_bundle, tiny_model):
    assert encode(tiny_bundle, "images.npy", "--receipt", "r.json", "--samples", 2, "--invert") == (0, b"", "")
    receipt = json.loads(Path("r.json").read_text())
    assert receipt["bundle"]["manifest_sha256"] == tiny_model.sha256
    asked = {"resize": False, "grey": False, "invert": True, "samples": 2, "seed": 0}
    assert receipt["request"] == {"images": "images.npy", **asked}


def test_json_is_the_result_of_the_command(encode, tiny_bundle, images):
    images[2] //= 4
    save_pngs(Path("photos"), images[:3])
    Path("photos/notes").write_text("x")
    code, out, err = encode("-q", tiny_bundle, "photos", "--top-anomalies", 2, "--json")
    elbo = arrays("codes.npz")["elbo"]
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "output": "codes.npz",
        "format": "npz",
        "images": 3,
        "lost": 1,
        "skipped": {"notes": "text"},
        "elbo": {"unit": "nats", "mean": pytest.approx(elbo.mean()), "lowest": elbo.min(), "highest": elbo.max()},
        "anomalies": {
            "picture": "codes_anomalies.png",
            "images": [{"index": i, "path": f"00{i}.png", "elbo": elbo[i]} for i in np.argsort(elbo)[:2].tolist()],
        },
    }


@pytest.mark.parametrize("option", ["--json", "--top-anomalies=1"])
@pytest.mark.usefixtures("images")
def test_a_closed_stdout_is_an_error_before_any_work(option, tiny_bundle, tmp_path):
    command = ["/bin/sh", "-c", '"$0" "$@" >&-', sys.executable, "-c", MAIN, str(tiny_bundle), "images.npy", option]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    message = "Error: stdout: expected an open stream, found it closed; send it to a file or to /dev/null\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", message)
    assert not (tmp_path / "codes.npz").exists()


def test_the_packaged_model_is_the_default(encode, packaged_model):
    digits = cvae.to_uint8(packaged_model.generate(3))
    np.save("digits.npy", digits)
    assert encode("digits.npy") == (0, b"", "")
    assert same(arrays("codes.npz"), expected_columns(packaged_model, digits))


def test_memory_is_constant(encode, packaged_model, monkeypatch):
    monkeypatch.setattr(_codes, "_BATCH_BYTES", 1 << 16)
    digits = cvae.to_uint8(packaged_model.generate(64))
    peaks = []
    for number, count in enumerate([512, 512, 4096]):  # the first run imports
        np.save("digits.npy", np.tile(digits, (count // 64, 1, 1, 1)))
        tracemalloc.start()
        try:
            assert encode("-q", "digits.npy", "--top-anomalies", 4, "-o", f"{number}.npz", "--overwrite")[0] == 0
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert Path("2.npz").stat().st_size > 1.25 * 2**20  # and 3 MiB of images
    assert peaks[2] - peaks[1] < 1 << 18


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["images.npy", "--samples", "0"], "samples must be a whole number of at least 1; found 0"),
        (
            ["images.npy", "--seed", "-1"],
            "seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found -1",
        ),
        (["images.npy", "--threads", "0"], "threads must be 1 to 1024; found 0"),
        (["images.npy", "-o", "a.csv"], "a.csv: expected a name that ends in .npz, .parquet; or pass --format"),
        (
            ["images.npy", "-o", "none/a.npz"],
            "cannot write none/a.npz: the folder none does not exist; create it first",
        ),
        (["images.npy", "-o", "old.npz"], "old.npz exists already; choose another name or pass --overwrite"),
        (["images.npy", "--receipt", "old.npz"], "old.npz exists already; choose another name or pass --overwrite"),
        (
            ["images.npy", "--top-anomalies", "3", "--anomalies", "old.npz"],
            "old.npz exists already; choose another name or pass --overwrite",
        ),
        (
            ["none.npy"],
            "none.npy: expected a folder of images, an image, an .npy or an IDX file, found nothing; check the name",
        ),
        (["empty"], "empty: expected images (BMP, GIF, JPEG, PNG, PPM, TIFF, WebP) in the folder, found none"),
        (
            ["photos"],
            "photos/b/large.png: the model takes 4x4 pixels (width x height), found 5x6; pass --resize, in Python read_images(..., resize=True), to scale and crop it",
        ),
        (
            ["photos", "--resize"],
            (
                "photos/b/torn.png: cannot be read as an image: expected BMP, GIF, JPEG, PNG, PPM, TIFF, WebP, "
                "found 4 bytes of an unknown kind"
            ),
        ),
        (
            ["large.npy"],
            "large.npy: the model takes 4x4 pixels (width x height), found 5x6; pass --resize, in Python read_images(..., resize=True), to scale and crop it",
        ),
        (
            ["nan.npy"],
            "nan.npy: float images must lie in [0, 1], found NaN or infinity (16 times); replace them with numpy.nan_to_num",
        ),
        (["torn.npy"], "torn.npy: cannot be read as a NumPy file: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("small_batches")
def test_errors_are_1_with_one_message_and_no_output(arguments, message, encode, tiny_bundle, images):
    Path("old.npz").write_bytes(b"old")
    Path("empty").mkdir()
    save_pngs(Path("photos"), images[:40])  # the second batch has what is wrong
    Path("photos/b").mkdir()
    Image.new("L", (5, 6)).save("photos/b/large.png")
    Path("photos/b/torn.png").write_bytes(b"\x89PNG")
    np.save("large.npy", np.zeros((3, 6, 5), np.uint8))
    floats = np.zeros((75, 4, 4), np.float32)
    floats[70] = np.nan
    np.save("nan.npy", floats)
    Path("torn.npy").write_bytes(Path("images.npy").read_bytes()[:200])
    before = sorted(Path().rglob("*"))
    code, out, err = encode("-q", tiny_bundle, *arguments)
    assert (code, out) == (1, b"")
    assert err.startswith(f"Error: {message}")
    assert message.endswith(": ") or err == f"Error: {message}\n"
    assert err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    assert Path("old.npz").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument '[BUNDLE] IMAGES'."),
        (["a", "b", "c"], "expected a bundle and images, found 3 paths; put the images into one folder"),
        (["a", "--anomalies", "x.png"], "--anomalies is for --top-anomalies: pass both"),
        (["a", "--top-anomalies", "0"], "Invalid value for '--top-anomalies': 0 is not in the range 1<=x<=1000."),
        (["a", "--receipt", "codes.npz"], "--output and --receipt name the same file"),
        (
            ["a", "--top-anomalies", "1", "--receipt", "codes_anomalies.png"],
            "--anomalies and --receipt name the same file",
        ),
        (["a", "-o", "-", "--json"], "cannot write a table to stdout: name a file with --output"),
        (["a", "-o", "-"], "cannot write a table to stdout: name a file with --output"),
        (["a", "--format", "csv"], "Invalid value for '--format': 'csv' is not one of 'npz', 'parquet'."),
        (["a", "--samples", "x"], "Invalid value for '--samples': 'x' is not a valid integer."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_errors_are_2_with_a_message(arguments, message, encode, tmp_path):
    code, out, err = encode(*arguments)
    assert (code, out) == (2, b"")
    assert err.splitlines()[-1] == f"Error: {message}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("images")
def test_no_bundle_is_5_and_no_provider_is_4(encode):
    message = "Error: none: expected a bundle, a folder with manifest.json, found nothing; cvae-export makes one\n"
    assert encode("none", "images.npy") == (5, b"", message)
    code, out, err = encode("images.npy", "--provider", "cuda")
    assert (code, out) == (4, b"")
    assert err.startswith("Error: provider cuda needs ONNX Runtime's CUDAExecutionProvider; ")


@pytest.mark.usefixtures("images")
def test_parquet_without_pyarrow_fails_before_any_work(encode, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = "Error: pyarrow is not installed; install it with: pip install 'cvae-toolkit[parquet]'\n"
    assert encode("none", "images.npy", "-o", "codes.parquet") == (1, b"", message)


@pytest.mark.parametrize("file_format", ["npz", "parquet"])
@pytest.mark.usefixtures("images")
def test_ctrl_c_is_130_and_keeps_the_old_file(file_format, python, tiny_bundle):
    Path(f"codes.{file_format}").write_bytes(b"old")
    arguments = ["-q", tiny_bundle, "images.npy", "--provider", "cpu", "--overwrite", "-o", f"codes.{file_format}"]
    assert python(INTERRUPTED, *arguments) == (128 + signal.SIGINT, "", "\ninterrupted\n")
    assert sorted(path.name for path in Path().iterdir()) == [f"codes.{file_format}", "images.npy", "tiny"]
    assert Path(f"codes.{file_format}").read_bytes() == b"old"


@pytest.mark.skipif(os.name != "posix", reason="limits of a file's size are POSIX's")
@pytest.mark.parametrize("file_format", ["npz", "parquet"])
@pytest.mark.usefixtures("images")
def test_a_full_disk_is_1_and_leaves_no_file(file_format, python, tiny_bundle):
    arguments = ["-q", tiny_bundle, "images.npy", "--provider", "cpu", "-o", f"codes.{file_format}"]
    message = f"Error: cannot write codes.{file_format}: File too large; check space and permissions\n"
    assert python(LIMITED_TO.format(size=1500), *arguments) == (1, "", message)
    assert sorted(path.name for path in Path().iterdir()) == ["images.npy", "tiny"]
