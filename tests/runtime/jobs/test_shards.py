"""Folders of shards: content, and the same bytes after a resume."""

import dataclasses
import hashlib
import io
import json
import os
import tarfile
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

import cvae_runtime as cvae
import cvae_runtime.images
from cvae_runtime._jobs import InProcess
from cvae_runtime._jobs import shards as _shards
from cvae_runtime._jobs.shards import SETTINGS_NAME, ShardSettings, write_shards


def settings_of(model, count=25, size=10, file_format="npy", dtype="float32", **stream):
    stream = {"seed": 0, "first": 0, "temperature": 1.0, **stream}
    return ShardSettings.of(model, count=count, shard_size=size, file_format=file_format, dtype=dtype, **stream)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def write(tiny_model, tmp_path):
    """Write shards of the tiny model into a folder of this name, quietly."""

    def write(name="out", *, resume=False, overwrite=False, **arguments):
        settings = settings_of(tiny_model, **arguments)
        write_shards(tiny_model, tmp_path / name, settings, resume=resume, overwrite=overwrite, quiet=True)
        return tmp_path / name

    return write


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_npy_shards_are_the_stream(dtype, write, tiny_model):
    folder = write(seed=5, first=3, temperature=0.5, dtype=dtype)
    assert sorted(contents(folder)) == ["part-00000.npy", "part-00001.npy", "part-00002.npy", SETTINGS_NAME]
    parts = [cvae.images.read_npy(folder / f"part-0000{i}.npy") for i in range(3)]
    assert [part.shape for part in parts] == [(n, 4, 4, 1) for n in (10, 10, 5)]
    (images,) = tiny_model.stream(25, seed=5, first=3, temperature=0.5)
    expected = cvae.to_uint8(images) if dtype == "uint8" else images
    assert {part.dtype for part in parts} == {expected.dtype}
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_an_npy_shard_has_the_bytes_of_any_npy_file(write, tiny_model):
    (images,) = tiny_model.stream(5, first=20)
    assert contents(write())["part-00002.npy"] == cvae.images.npy_bytes(images)


def test_a_shard_is_written_a_batch_at_a_time(write, tiny_model, monkeypatch):
    whole = contents(write("whole", size=90, count=180))
    monkeypatch.setattr(cvae._model.model, "_BATCH_BYTES", 7 * 64)  # raised to 32 for each of 2 threads
    assert len(next(tiny_model.stream(90))) == 64
    assert contents(write("cut", size=90, count=180)) == whole


def test_a_tar_has_a_picture_for_each_sample_and_no_owner(write, tiny_model):
    folder = write(file_format="tar", dtype="uint8", first=7)
    (images,) = tiny_model.stream(25, first=7)
    found = []
    for number in range(3):
        with tarfile.open(folder / f"part-0000{number}.tar") as archive:
            for member in archive:
                owner = (member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode)
                assert owner == (0, 0, 0, "", "", 0o644)
                found.append((member.name, np.asarray(Image.open(io.BytesIO(archive.extractfile(member).read())))))
    assert [name for name, _ in found] == [f"{index:08d}.png" for index in range(7, 32)]
    np.testing.assert_array_equal([pixels for _, pixels in found], cvae.to_uint8(images)[..., 0])


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_parquet_has_the_index_and_the_image_with_its_shape(dtype, write, tiny_model):
    folder = write(file_format="parquet", dtype=dtype, first=7)
    table = pa.concat_tables([parquet.read_table(folder / f"part-0000{i}.parquet") for i in range(3)])
    tensor = pa.fixed_shape_tensor(pa.type_for_alias(dtype), (4, 4, 1), permutation=(0, 1, 2))
    assert table.schema == pa.schema([("index", pa.int64()), ("image", tensor)])
    assert table["index"].to_pylist() == list(range(7, 32))
    (images,) = tiny_model.stream(25, first=7)
    expected = cvae.to_uint8(images) if dtype == "uint8" else images
    np.testing.assert_array_equal(table["image"].combine_chunks().to_numpy_ndarray(), expected)


@pytest.mark.parametrize("file_format", ["npy", "tar", "parquet"])
def test_the_same_settings_give_the_same_bytes(file_format, write):
    assert contents(write("a", file_format=file_format, dtype="uint8")) == contents(
        write("b", file_format=file_format, dtype="uint8")
    )


def test_the_settings_lie_beside_the_shards(write, bundles):
    manifest = bundles.manifest().to_json().encode()
    assert json.loads(contents(write(seed=3, first=7, temperature=0.5))[SETTINGS_NAME]) == {
        "count": 25,
        "seed": 3,
        "first": 7,
        "temperature": 0.5,
        "shard_size": 10,
        "format": "npy",
        "dtype": "float32",
        "image_shape": [4, 4, 1],
        "micro_batch": 32,
        "provider": "cpu",
        "graph": "decoder.onnx",
        "bundle": hashlib.sha256(manifest).hexdigest(),
        "rng": "threefry2x32-20/box-muller",
    }


def test_names_sort_in_order(tiny_model):
    names = [shard.name for shard in settings_of(tiny_model, count=1_000_001, size=10).shards()]
    assert (names[0], names[-1]) == ("part-000000.npy", "part-100000.npy")
    assert names == sorted(names)


@pytest.mark.parametrize("file_format", ["npy", "tar", "parquet"])
def test_only_missing_shards_are_written(file_format, write):
    folder = write(file_format=file_format, dtype="uint8", first=2**33)
    undisturbed = contents(folder)
    (folder / f"part-00001.{file_format}").unlink()
    (folder / f".part-00001.{file_format}.0123abcd.tmp").write_bytes(b"half")
    kept = (folder / f"part-00000.{file_format}").stat().st_mtime_ns
    write(file_format=file_format, dtype="uint8", first=2**33, resume=True)
    assert contents(folder) == undisturbed
    assert (folder / f"part-00000.{file_format}").stat().st_mtime_ns == kept


def test_resume_of_a_finished_and_of_a_new_folder(write, monkeypatch):
    folder = write(resume=True)
    (folder.parent / "empty").mkdir()
    assert contents(write("empty", resume=True)) == contents(folder)
    monkeypatch.setattr(_shards, "_write_shard", None)  # writing a shard now fails
    write(resume=True)


def test_other_settings_are_an_error(write, refuses):
    folder = write()
    before = contents(folder)
    message = (
        f"{folder} was written with other settings: count was 25 and is now 26; seed was 0 and is now 1; "
        f"dtype was 'float32' and is now 'uint8'; use the old settings, or start again with --overwrite instead of --resume"
    )
    with refuses(cvae.InputError, message):
        write(resume=True, count=26, seed=1, dtype="uint8")
    assert contents(folder) == before


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ShardSettings)])
def test_every_setting_is_compared(field, write, refuses):
    folder = write(count=8)
    path = folder / SETTINGS_NAME
    settings = json.loads(path.read_text())
    now = settings.get(field)  # there is no label
    settings[field] = "other"
    path.write_text(json.dumps(settings))
    message = (
        f"{folder} was written with other settings: {field} was 'other' and is now {now!r}; "
        f"use the old settings, or start again with --overwrite instead of --resume"
    )
    with refuses(cvae.InputError, message):
        write(count=8, resume=True)


def test_an_existing_folder_is_an_error_or_replaced(write, refuses):
    folder = write()
    with refuses(
        cvae.TargetExistsError, f"{folder} exists already; choose another name or pass --resume or --overwrite"
    ):
        write()
    write(count=8, overwrite=True)
    assert sorted(contents(folder)) == ["part-00000.npy", SETTINGS_NAME]


@pytest.mark.parametrize("option", ["resume", "overwrite"])
def test_a_locked_folder_is_an_error(option, write, tiny_model, tmp_path, refuses):
    folder = tmp_path / "out"
    message = (
        f"{folder}: expected a folder that no process is writing, found another process at work in it; "
        f"wait until it ends, or choose another name"
    )

    def executor(work, shards):
        with refuses(cvae.InputError, message):
            write(**{option: True})
        yield from InProcess(tiny_model)(work, shards)

    write_shards(
        tiny_model, folder, settings_of(tiny_model), resume=False, overwrite=False, quiet=True, executor=executor
    )
    assert len(contents(folder)) == 4
    before = contents(folder)
    assert contents(write(resume=True)) == before


def test_a_folder_of_something_else_is_not_resumed(write, tmp_path, refuses):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    message = (
        f"{folder}: expected a folder of shards with a readable shards.json, "
        f"found [Errno 2] No such file or directory: '{folder}/shards.json'; name another folder"
    )
    with refuses(cvae.InputError, message):
        write("thesis", resume=True)
    (folder / SETTINGS_NAME).write_text("[]")
    with refuses(cvae.InputError, f"{folder / SETTINGS_NAME}: expected a JSON object; found list"):
        write("thesis", resume=True)
    assert contents(folder) == {"chapter.txt": b"years of work", SETTINGS_NAME: b"[]"}


def none_of_shards(folder, reason):
    more = f": {reason}" if reason else ""
    return (
        f"{folder}: expected a folder of shards, found another folder, which is not overwritten{more}; "
        f"choose another name"
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("{}", None),
        ("[]", None),
        ({"count": 0}, "count must be a whole number of at least 1; found 0"),
        ({"shard_size": "10"}, "shard_size must be a whole number of at least 1; found '10'"),
    ],
)
def test_invalid_settings_prevent_overwriting(settings, reason, write, refuses):
    folder = write()
    path = folder / SETTINGS_NAME
    path.write_text(settings if isinstance(settings, str) else json.dumps(json.loads(path.read_text()) | settings))
    before = contents(folder)
    with refuses(cvae.TargetExistsError, none_of_shards(folder, reason)):
        write(overwrite=True)
    assert contents(folder) == before


@pytest.mark.parametrize(
    "name", ["thesis.tex", "part-00003.npy", "part-0.npy", "part-00000.tar", ".part-00003.npy.0123abcd.tmp"]
)
def test_only_shards_are_overwritten(name, write, refuses):
    folder = write()  # three of them
    (folder / name).write_text("years of work")
    before = contents(folder)
    message = (
        f"{folder}: expected a folder of shards and nothing else, found {name}; only what this project wrote is "
        f"overwritten: move the rest elsewhere, or choose another name"
    )
    with refuses(cvae.TargetExistsError, message):
        write(overwrite=True, seed=1)
    assert contents(folder) == before
    (folder / name).rename(folder / ".part-00001.npy.0123abcd.tmp")  # of a process that was killed
    assert contents(write(overwrite=True, seed=1)) == contents(write("other", seed=1))


def test_parquet_without_pyarrow_creates_no_folder(write, tmp_path, refuses, monkeypatch):
    monkeypatch.setitem(_shards.sys.modules, "pyarrow", None)
    message = "pyarrow is not installed; install it with: pip install 'cvae-toolkit[parquet]'"
    with refuses(cvae.MissingExtraError, message):
        write(file_format="parquet")
    assert not (tmp_path / "out").exists()


def test_memory_is_constant(packaged_model, tmp_path, monkeypatch):
    monkeypatch.setattr(cvae._model.model, "_BATCH_BYTES", 1 << 19)
    settings = settings_of(packaged_model, count=8000, size=4000)
    tracemalloc.start()
    try:
        write_shards(packaged_model, tmp_path / "out", settings, resume=False, overwrite=False, quiet=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(map(len, contents(tmp_path / "out").values())) > 8000 * 784 * 4  # 24 MiB, in shards of 12
    assert peak < 4 << 20


@pytest.mark.parametrize("file_format", ["npy", "tar", "parquet"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data, other: b"",  # noqa: ARG005
        lambda data, other: data[:-1],  # noqa: ARG005
        lambda data, other: data[: len(data) // 2],  # noqa: ARG005
        lambda data, other: data[:20],  # noqa: ARG005
        lambda data, other: data + b"0",  # noqa: ARG005
        lambda data, other: b"\0" * len(data),  # noqa: ARG005
        lambda data, other: other,  # noqa: ARG005
    ],
    ids=["empty", "a byte less", "half", "the beginning", "a byte more", "zeros", "a shard of fewer"],
)
def test_a_damaged_shard_is_written_again(damage, file_format, write, tiny_model, capsys):
    folder = write(file_format=file_format, dtype="uint8")
    whole = contents(folder)
    for number in (0, 2):
        path = folder / f"part-0000{number}.{file_format}"
        path.write_bytes(damage(path.read_bytes(), whole[f"part-0000{2 - number}.{file_format}"]))
    write_shards(
        tiny_model,
        folder,
        settings_of(tiny_model, file_format=file_format, dtype="uint8"),
        resume=True,
        overwrite=False,
    )
    assert contents(folder) == whole
    assert capsys.readouterr().err.splitlines()[0] == (
        f"{folder}: part-00000.{file_format} and 1 more damaged; written again"
    )


@pytest.mark.parametrize("file_format", ["tar", "parquet"])
def test_a_shard_of_other_samples_is_written_again(file_format, write):
    folder = write(file_format=file_format, dtype="uint8")
    whole = contents(folder)
    (folder / f"part-00001.{file_format}").write_bytes(whole[f"part-00000.{file_format}"])
    write(file_format=file_format, dtype="uint8", resume=True)
    assert contents(folder) == whole


@pytest.mark.parametrize("kind", ["a folder", "a link", "a pipe or a device"])
def test_a_folder_or_link_with_a_shard_s_name_is_an_error(kind, write, refuses):
    folder = write()
    path = folder / "part-00001.npy"
    path.unlink()
    match kind:
        case "a folder":
            path.mkdir()
        case "a link":
            path.symlink_to(folder / "part-00000.npy")
        case _:
            os.mkfifo(path)
    with refuses(cvae.InputError, f"{path}: expected a shard, found {kind}; move it elsewhere"):
        write(resume=True)
    assert path.is_symlink() == (kind == "a link")
