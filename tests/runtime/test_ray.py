"""Ray Datasets: several processes give the bits of one, even if a process is killed."""

import os
import signal

import numpy as np
import pytest

import cvae_runtime as cvae
from cvae_runtime._jobs.codes import code_columns
from cvae_runtime._jobs.shards import ShardSettings, write_shards

# Ray warns about settings that it sets itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")


def columns(dataset):
    """Return all rows of a dataset in the order of index; check that every index occurs once."""
    dataset = dataset.materialize()
    batch = dataset.take_batch(dataset.count(), batch_format="numpy")
    order = np.argsort(batch["index"])
    assert (batch["index"].dtype, len(set(batch["index"].tolist()))) == (np.int64, len(order))
    return {name: values[order] for name, values in batch.items()}


def ray_data():
    import ray

    return ray.data


def whole_stream(model, count, **stream):
    (images,) = model.stream(count, batch=count, **stream)
    return images


def test_public_names(cluster):
    assert cluster.__all__ == ["encode", "generate"]


@pytest.mark.parametrize(("workers", "batch"), [(1, 101), (3, 256), (None, 37)])
def test_workers_give_the_bits_of_one_process(workers, batch, cluster, packaged_model):
    stream = {"seed": 7, "first": 5, "temperature": 0.5}
    found = columns(cluster.generate(1003, workers=workers, batch=batch, **stream))
    np.testing.assert_array_equal(found["index"], np.arange(5, 1008))
    np.testing.assert_array_equal(found["image"], whole_stream(packaged_model, 1003, **stream))
    assert found["image"].dtype == np.float32


def test_uint8_samples_of_a_local_bundle(cluster, bundles, tiny_model, tmp_path):
    folder = bundles.write(tmp_path / "tiny")
    samples = cluster.generate(50, bundle=folder, dtype="uint8", batch=8)
    for path in [*folder.iterdir()]:
        path.unlink()
    found = columns(samples)
    np.testing.assert_array_equal(found["image"], cvae.to_uint8(whole_stream(tiny_model, 50)))
    assert found["image"].dtype == np.uint8


def test_a_killed_worker(cluster, packaged_model, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_MOST_TASKS", 6)  # of 7 batches each
    folder = str(tmp_path)

    def kill_once(batch):
        """Run in the task that drew the batch, after the draw."""
        import ray

        with open(f"{folder}/{ray.get_runtime_context().get_task_id()}", "a") as processes:  # noqa: PTH123
            processes.write(f"{os.getpid()}\n")
        if 450 in batch["index"] and not os.path.exists(f"{folder}/killed"):  # noqa: PTH110
            os.mkdir(f"{folder}/killed")  # noqa: PTH102
            os.kill(os.getpid(), signal.SIGKILL)
        return batch

    samples = cluster.generate(1000, batch=24)
    samples = samples.map_batches(kill_once, batch_size=None, num_cpus=1, num_gpus=0).materialize()
    assert "MapBatches(_samples)->MapBatches(kill_once)" in samples.stats()
    found = columns(samples)
    np.testing.assert_array_equal(found["index"], np.arange(1000))
    np.testing.assert_array_equal(found["image"], whole_stream(packaged_model, 1000))
    (tmp_path / "killed").rmdir()
    processes = [path.read_text().split() for path in tmp_path.iterdir()]
    assert sorted(len(set(pids)) for pids in processes) == [1, 1, 1, 1, 1, 2], processes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count must be a whole number of at least 1; found 0"),
        ({"seed": -1}, f"seed must be an unsigned 64-bit number, 0 to {2**64 - 1}; found -1"),
        ({"batch": 0}, "batch must be a whole number of at least 1; found 0"),
        ({"workers": 0}, "workers must be a whole number of at least 1; found 0"),
        ({"threads": 0}, "threads must be 1 to 1024; found 0"),
        ({"dtype": "float16"}, "dtype must be one of float32, uint8; found 'float16'"),
        ({"provider": "auto"}, "provider must be a named one on a cluster, since machines may differ; found 'auto'"),
    ],
    ids=str,
)
def test_invalid_arguments_of_generate(arguments, message, cluster, refuses):
    with refuses(cvae.InputError, message):
        cluster.generate(**{"count": 5, **arguments})


def test_codes_equal_those_of_one_process(cluster, packaged_model):
    samples = cluster.generate(300, seed=3, first=1000, dtype="uint8", batch=64)
    found = columns(cluster.encode(samples, samples=2, seed=5, workers=3))
    assert {name: values.dtype for name, values in found.items()} == {
        "index": np.int64,
        "image": np.uint8,
        "mean": np.float32,
        "logvar": np.float32,
        "elbo": np.float64,
        "iw_bound": np.float64,
    }
    expected = code_columns(packaged_model, found["image"], 1000, samples=2, seed=5)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=2e-6)


def test_codes_of_shards_in_any_order(cluster, bundles, tiny_model, tmp_path):
    folder = bundles.write(tmp_path / "tiny")
    samples = {"count": 60, "seed": 2, "first": 7, "temperature": 1.0}
    settings = ShardSettings.of(tiny_model, shard_size=20, file_format="parquet", dtype="uint8", **samples)
    write_shards(tiny_model, tmp_path / "out", settings, resume=False, overwrite=False, quiet=True)
    (tmp_path / "out" / "part-00001.parquet").unlink()
    (images,) = tiny_model.stream(60, seed=2, first=7)
    expected = code_columns(tiny_model, cvae.to_uint8(images), 7, seed=9)
    kept = np.r_[0:20, 40:60]

    def backwards(batch):
        return {name: values[::-1] for name, values in batch.items()}

    reversed_ = ray_data().read_parquet(str(tmp_path / "out")).map_batches(backwards)
    for dataset in (tmp_path / "out", reversed_):
        found = columns(cluster.encode(dataset, bundle=folder, seed=9))
        np.testing.assert_array_equal(found["index"], 7 + kept)
        np.testing.assert_array_equal(found["image"], cvae.to_uint8(images)[kept])
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values[kept], rtol=1e-6, atol=2e-6)


def test_images_without_an_index(cluster, tiny):
    images = ray_data().from_numpy(tiny.images)
    with pytest.raises(Exception, match="InputError: expected the columns index and image; found data"):
        cluster.encode(images).materialize()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "samples must be a whole number of at least 1; found 0"),
        ({"seed": -1}, f"seed must be an unsigned 64-bit number, 0 to {2**64 - 1}; found -1"),
        ({"provider": "auto"}, "provider must be a named one on a cluster, since machines may differ; found 'auto'"),
    ],
    ids=str,
)
def test_invalid_arguments_of_encode(arguments, message, cluster, refuses):
    with refuses(cvae.InputError, message):
        cluster.encode("nowhere", **arguments)


def test_classes(cluster, bundles, labelled_model, tmp_path):
    folder = bundles.write(tmp_path / "labelled", labels=labelled_model.labels)
    found = columns(cluster.generate(30, bundle=folder, seed=3, label=1, dtype="uint8", batch=8))
    np.testing.assert_array_equal(found["image"], cvae.to_uint8(whole_stream(labelled_model, 30, seed=3, label="10")))
    assert set(found["label"].tolist()) == {"10"}
    plain = cluster.generate(30, bundle=folder, seed=3, dtype="uint8")
    codes = columns(cluster.encode(plain, bundle=folder, classify=True, seed=5))
    images = cvae.to_uint8(whole_stream(labelled_model, 30, seed=3))
    probabilities = labelled_model.classify(images, seed=5)
    assert codes["label"].tolist() == [labelled_model.labels[n] for n in probabilities.argmax(axis=1)]
    np.testing.assert_allclose(codes["label_probability"], probabilities.max(axis=1), atol=1e-5)


def test_wrong_classes(cluster, bundles, tiny, tmp_path, refuses):
    labelled, plain = bundles.write(tmp_path / "labelled", labels=tiny.labels), bundles.write(tmp_path / "plain")
    with refuses(cvae.InputError, "label must be one of 2, 10, x; found '3'"):
        cluster.generate(5, bundle=labelled, label="3")
    message = "expected a model with labels, found one without; train one with cvae-train --labels"
    with refuses(cvae.InputError, message):
        cluster.generate(5, bundle=plain, label="3")
    with refuses(cvae.InputError, message):
        cluster.encode("nowhere", bundle=plain, classify=True)


@pytest.mark.parametrize("missing", ["ray", "pyarrow", "pandas"])
def test_the_error_without_ray(missing, fresh_python):
    program = """
import sys
sys.modules[sys.argv[1]] = None
import cvae_runtime
try:
    import cvae_runtime.ray
except cvae_runtime.MissingExtraError as error:
    print(error)
"""
    result = fresh_python(program, missing)
    message = f"{missing} is not installed; install it with: pip install 'cvae-toolkit[ray]'\n"
    assert (result.returncode, result.stdout) == (0, message), result.stderr
