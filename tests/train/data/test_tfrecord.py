"""TFRecords: Examples with encoded images, in one shard or in several."""

import gzip
import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cvae_train import DataOptions, load_data
from cvae_train._data.dataset import load_test
from cvae_train._data.holdout import held_out
from tests.train.data.reading import levels, refusal


def png(level, size=(4, 4)):
    data = io.BytesIO()
    Image.new("L", size, level).save(data, "png")
    return data.getvalue()


def example(**features):
    """An Example whose features are bytes or integers."""

    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    fields = {name.replace("__", "/"): feature(value) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=fields)).SerializeToString()


@pytest.fixture
def shard(tmp_path):
    """A function that writes a shard: an Example with an image for each grey level, and records of bytes unchanged."""

    def write(name, records):
        path = tmp_path / name
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record if isinstance(record, bytes) else example(image__encoded=png(record), label=7))
        return path

    return write


def test_of_one_shard_some_records_are_held_out_by_their_numbers(shard):
    path = shard("all.tfrecord", range(30))
    data = load_data(path, DataOptions(test_fraction=0.2))
    test = held_out([str(number) for number in range(30)], 0.2)
    assert levels(data.test) == np.flatnonzero(test).tolist()
    assert levels(data.train) == np.flatnonzero(~test).tolist()
    assert data.source == str(path)


def test_shards_of_a_folder_come_by_their_names(shard, tmp_path):
    shard("b.tfrecords", range(10, 20)), shard("a.tfrecord-00000-of-00002", range(10)), shard(".c.tfrecord", [99])
    data = load_data(tmp_path)
    assert sorted(levels(data.train) + levels(data.test)) == list(range(20))
    assert levels(data.train) == sorted(levels(data.train))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("set-train.tfrecord-00000-of-00001", "set-test.tfrecord-00000-of-00001"),
        ("train0.tfrecords", "validation0.tfrecords"),
        ("Training.tfrecord", "val.tfrecord"),
        ("test_pictures-train.tfrecord-0", "test_pictures-test.tfrecord-0"),
    ],
)
def test_shards_are_parts_by_the_words_of_their_names(shard, tmp_path, train, test):
    shard(train, [1, 2]), shard(test, [3]), shard("extra.tfrecord", [4])
    data = load_data(tmp_path)
    assert (levels(data.train), levels(data.test)) == ([1, 2], [3])
    assert refusal(tmp_path, DataOptions(test_fraction=0.5)) == (
        f"{tmp_path}: has its own test set; leave --test-fraction out"
    )


def test_a_validation_part_beside_a_test_part_is_one(shard, tmp_path):
    shard("train.tfrecord", [1]), shard("validation.tfrecord", [2]), shard("test.tfrecord", [3])
    data = load_data(tmp_path)
    assert (levels(data.train), levels(data.test), levels(data.validation)) == ([1], [3], [2])


@pytest.mark.parametrize(
    ("train", "held"),
    [
        ("train-00000-of-00002", "validation-00000-of-00001"),
        ("train-00000-of-00002.tfrecord", "test-00000-of-00001.tfrecord"),
        ("TRAIN.bin", "dev.bin"),
        ("training.tfrecord", "eval.tfrecord"),
    ],
)
def test_shards_of_any_name_are_told_by_content_and_held_back(shard, tmp_path, train, held):
    shard(train, [1, 2]), shard(held, [3])
    (tmp_path / "readme.txt").write_text("x")
    data = load_data(tmp_path)
    assert (levels(data.train), levels(data.test)) == ([1, 2], [3])
    assert data.notes[0].startswith(f"{train} is trained on, {held} is the test set")
    assert data.notes[1] == "skipped 1 file: 1 text (readme.txt)"


def test_shards_held_back_without_any_for_training_are_an_error(shard, tmp_path):
    shard("validation.tfrecord", [1, 2]), shard("more.tfrecord", [3])
    assert refusal(tmp_path) == (
        f"{tmp_path}: expected shards named train beside validation.tfrecord, whose name excludes it from training, "
        f"found none; rename the shards to train on, or validation.tfrecord"
    )


def test_unused_files_are_listed(shard, tmp_path):
    shard("train.tfrecord", [1]), shard("test.tfrecord", [2]), shard("extra.tfrecord", [3])
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert load_data(tmp_path).notes[1] == "skipped 2 files: 1 TFRecord (extra.tfrecord), 1 picture (a.png)"


def test_a_word_in_a_word_names_no_part(shard, tmp_path):
    shard("latest.tfrecord", [1]), shard("restrained.tfrecord", [2])
    data = load_data(tmp_path)
    assert sorted(levels(data.train) + levels(data.test)) == [1, 2]


@pytest.mark.parametrize("feature", ["image__encoded", "image", "image_raw"])
def test_the_picture_is_under_one_of_three_names(shard, feature):
    path = shard("a.tfrecord", [example(**{feature: png(level)}, label=1, name=b"x") for level in (5, 6)])
    data = load_data(path)
    assert sorted(levels(data.train) + levels(data.test)) == [5, 6]


@pytest.mark.parametrize(
    ("features", "names"),
    [
        ({"label": (9, 10)}, ("9", "10")),
        ({"label": (b"cat", "é".encode())}, ("cat", "é")),
        ({"image__class__label": (3, 1)}, ("1", "3")),
        ({"image__class__label": (3, 1), "image__class__text": (b"a", b"b"), "label": (7, 8)}, ("a", "b")),
        ({"image__class__label": (3, 1), "label": (7, 8)}, ("7", "8")),
        ({"image__class__label": (3, 1), "image__class__text": (b"", b"")}, ("1", "3")),
    ],
)
def test_labels(shard, tmp_path, features, names):
    first, second = ({name: values[index] for name, values in features.items()} for index in (0, 1))
    shard("train.tfrecord", [example(image=png(1), **first), example(image=png(2), **second)])
    shard("test.tfrecord", [example(image=png(3), **second)])
    labels = load_data(tmp_path).labels
    assert labels.names == names
    by_name = [labels.names[number] for number in (*labels.train, *labels.test)]
    assert by_name[1] == by_name[2] != by_name[0]


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"image__class__label": 1},  # another feature than the first record's
        {"label": b""},
        {"label": png(1)},
    ],
)
def test_records_without_a_class(shard, other):
    path = shard("a.tfrecord", [example(image=png(level), label=b"a") for level in range(5)])
    assert load_data(path).labels.names == ("a",)
    path = shard(
        "a.tfrecord", [*(example(image=png(level), label=b"a") for level in range(5)), example(image=png(5), **other)]
    )
    assert load_data(path).labels is None


def test_several_labels_of_an_image_are_no_class(shard):
    def record(level):
        several = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))
        picture = tf.train.Feature(bytes_list=tf.train.BytesList(value=[png(level)]))
        features = tf.train.Features(feature={"image": picture, "label": several})
        return tf.train.Example(features=features).SerializeToString()

    assert load_data(shard("a.tfrecord", map(record, range(3)))).labels is None


def test_labels_belong_to_the_records_that_are_read(shard):
    records = [example(image=png(level), label=level % 2) for level in range(20)]
    records[3] = example(image=b"text", label=1)
    data = load_data(shard("a.tfrecord", records), DataOptions(skip_bad=True, test_fraction=0.4), quiet=True)
    assert data.labels.train.tolist() == [level % 2 for level in levels(data.train)]
    assert data.labels.test.tolist() == [level % 2 for level in levels(data.test)]
    assert len(data.train) + len(data.test) == 19


def test_a_class_without_training_records(shard, tmp_path):
    shard("train.tfrecord", [example(image=png(1), label=1)]), shard("test.tfrecord", [example(image=png(1), label=2)])
    assert refusal(tmp_path) == (
        f"{tmp_path}: expected training images of every class, found none of 1 class (2); add some, or remove all images "
        f"of this class"
    )


def test_a_record_without_a_picture_lists_what_it_has(shard):
    path = shard("a.tfrecord", [3, example(label=1, jpeg=b"x", image=5)])
    assert refusal(path) == (
        f"{path}: record 1: expected a bytes feature image/encoded, image, image_raw with an encoded image, "
        f"found image (int64_list), jpeg (bytes_list), label (int64_list)"
    )


def test_a_record_that_is_no_example(shard):
    path = shard("a.tfrecord", [b"\xff\xff", 3])
    assert refusal(path).startswith(f"{path}: record 0: expected a tf.train.Example: ")


@pytest.mark.parametrize("name", ["b.tfrecord.gz", "b.tfrecord", "b"])
@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_compressed_shards_are_told_by_content(shard, tmp_path, name, compress):
    plain = shard("a.tfrecord", [1, 2, 3])
    (tmp_path / name).write_bytes(compress(plain.read_bytes()))
    assert load_data(tmp_path / name).fingerprint == load_data(plain).fingerprint


def test_records_of_raw_pixels_say_what_they_are_and_what_to_do(shard):
    path = shard("a.tfrecord", [example(image_raw=bytes(range(200, 256)), label=number) for number in range(2)])
    assert refusal(path).splitlines()[1] == (
        f"  {path}: record 1: cannot be read as an image: expected BMP, GIF, JPEG, PNG, PPM, TIFF, WebP, "
        f"found 56 bytes of an unknown kind; raw pixels must be encoded first, as PNG for example"
    )


def test_a_record_of_something_compressed_says_so(shard):
    path = shard("a.tfrecord", [example(image=gzip.compress(png(1), mtime=0))] * 2)
    assert refusal(path).splitlines()[1].endswith("TIFF, WebP, found gzip of PNG")


def test_damage_names_shard_and_record(shard):
    path = shard("a.tfrecord", [7] * 5)
    good = path.read_bytes()
    size = len(good) // 5
    changed = bytearray(good)
    changed[2 * size + 30] ^= 1
    path.write_bytes(changed)
    assert refusal(path).startswith(f"{path}: record 2 cannot be read: corrupted record at {2 * size + 12}")
    path.write_bytes(good[:-30])
    assert refusal(path).startswith(f"{path}: record 4 cannot be read: truncated record at {4 * size}")
    path.write_bytes(good + bytes(5))  # a length has eight bytes
    assert refusal(path) == (
        f"{path}: record 5 is truncated: expected the file to end after {5 * size} bytes, found {5 * size + 5}; "
        f"get the file again"
    )


def test_a_shard_without_records(shard):
    path = shard("a.tfrecord", [])
    assert refusal(path) == f"{path}: expected at least two images, one to train on and one to hold out, found 0"


def test_shards_without_records(shard, tmp_path):
    shard("train.tfrecord", []), shard("test.tfrecord", [])
    assert refusal(tmp_path) == f"{tmp_path}: expected at least one image, found none"


def test_pictures_that_cannot_be_read_are_named_by_their_records(shard):
    path = shard("a.tfrecord", [1, example(image=b"text"), 3, 4])
    assert refusal(path).splitlines()[1].startswith(f"  {path}: record 1: cannot be read as an image: ")
    data = load_data(path, DataOptions(skip_bad=True))
    assert sorted(levels(data.train) + levels(data.test)) == [1, 3, 4]


def test_sizes_are_those_of_a_picture_folder(shard):
    path = shard("a.tfrecord", [1, 2, example(image=png(2, (6, 4)))])
    assert "found 2 sizes (width x height): 4x4 (2), 6x4 (1); pass --image-size" in refusal(path)
    assert load_data(path, DataOptions(image_size=(5, 5))).image_shape == (5, 5, 1)


def test_the_test_part_is_read_without_the_training_shards(shard, tmp_path):
    train = shard("train.tfrecord", [1, 2])
    shard("test.tfrecord", [3, 4])
    train.write_bytes(b"damaged")
    assert levels(load_test(tmp_path, DataOptions(), (4, 4, 1))) == [3, 4]


def test_tensorflow_is_not_initialized(shard, fresh_python):
    path = shard("a.tfrecord", [1, 2])
    code = (
        "import cvae_train\n"
        f"assert len(cvae_train.load_data({str(path)!r}).train) == 1\n"
        "cvae_train.import_tensorflow().config.threading.set_intra_op_parallelism_threads(1)"
    )
    result = fresh_python(code)
    assert (result.returncode, result.stderr) == (0, "")
