"""Training on several devices and several processes gives the results of a single process."""

import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from cvae_runtime import InputError
from cvae_train import read_history
from cvae_train._loop.cluster import Cluster, join_cluster
from tests.waits import PATIENCE, wait_until

# 67 training and 13 test images: in the last batch of 3 and the test set, some towers and replicas have no image.
PROGRAM = """
import dataclasses, hashlib, json, sys
import numpy as np
import cvae_train
from cvae_train import Dataset, ModelConfig, TrainConfig, train

{setup}
rng = np.random.default_rng(0)
images = np.zeros((80, 8, 8, 1), np.uint8)
for image in images:
    top, left = rng.integers(0, 5, 2)
    image[top : top + 3, left : left + 3] = 255
np.save(sys.argv[1] + ".npy", images)
data = Dataset(images[:67], images[67:])
model = ModelConfig(image_shape=(8, 8, 1), latent_dim=3, filters=(4, 6))
config = TrainConfig(
    model=model, epochs=3, batch_size=13, learning_rate=1e-2, clip_norm=5.0, ema=0.9, validation_fraction=0.1, seed=5
)
result = train(data, dataclasses.replace(config, **json.loads(sys.argv[2])), sys.argv[1], quiet=True)
digest = hashlib.sha256(b"".join(variable.numpy().tobytes() for variable in result.model.variables)).hexdigest()
elbos = [[record.elbo, record.train_elbo, record.validation_elbo] for record in result.history]
print(json.dumps({{"elbos": elbos, "weights": digest}}))
"""


def start(arguments, environment=None):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_workers(arguments, count=2):
    """Start the worker processes of a cluster, each with its own arguments."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [
        start(
            mine, {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": n}})}
        )
        for n, mine in enumerate(arguments)
    ]


def results(processes):
    """Wait until the processes succeed and return their output."""
    found = []
    for process in processes:
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        found.append(json.loads(out))
    return found


def program(setup=""):
    return PROGRAM.format(setup=setup)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Figures of the run in a single process."""
    path = tmp_path_factory.mktemp("alone")
    return results([start(["-c", program(), path / "run", "{}"])])[0]


def check_same_run(found, alone):
    np.testing.assert_allclose(found["elbos"], alone["elbos"], rtol=1e-4)


def test_two_workers_run_as_one_and_their_weights_stay_equal(alone, tmp_path):
    chief, other = results(start_workers([["-c", program(), tmp_path / name, "{}"] for name in ("run", "other")]))
    assert chief == other
    check_same_run(chief, alone)
    assert (tmp_path / "run/weights.npz").is_file()
    assert not (tmp_path / "other").exists()


TWO_CPUS = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import cvae_train._train
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
cvae_train._train.join_cluster = lambda: cvae_train._loop.cluster.Cluster(strategy)
"""


def test_two_devices_of_one_process_run_as_one(alone, tmp_path):
    # Two logical CPUs stand in for two GPUs.
    (found,) = results([start(["-c", program(TWO_CPUS), tmp_path / "run", "{}"])])
    check_same_run(found, alone)


def test_workers_of_other_settings_are_refused(tmp_path):
    settings = ("{}", json.dumps({"learning_rate": 0.5}))
    workers = start_workers([["-c", program(), tmp_path / "run", changes] for changes in settings])
    errors = [worker.communicate(timeout=PATIENCE)[1] for worker in workers]
    for error in errors:
        assert error.splitlines()[-1] == (
            "cvae_runtime._errors.InputError: cluster: expected the settings and images of worker 0 on all 2 workers, "
            "found others on 1; start every worker with the same command and the same data"
        )
    assert [worker.returncode for worker in workers] == [1, 1]
    assert not (tmp_path / "run").exists()


def test_a_run_resumes_after_a_killed_worker(tmp_path, tiny_archive):
    code = "from cvae_train._cli import main; main()"
    small = ("--batch-size", 16, "--filters", "4,6", "--latent-dim", 3, "--seed", 1, "--resume", "--epochs", 60)
    command = ["-c", code, tiny_archive, *small, "--run"]
    chief, other = start_workers([[*command, tmp_path / "run"]] * 2)
    wait_until((tmp_path / "run/samples/image_at_epoch_0003.png").exists, process=chief)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    err = chief.communicate(timeout=PATIENCE)[1]
    assert chief.returncode == 1
    assert err.splitlines()[-1] == (
        "Error: worker 0 lost another of the 2 workers, which ended or cannot be reached; see its message. "
        "The last complete epoch is kept: restart all workers with --resume"
    )
    done = len(read_history(tmp_path / "run/history.csv"))
    assert 2 <= done < 60
    chief, other = start_workers([[*command, tmp_path / "run"]] * 2)
    lines = [process.communicate(timeout=PATIENCE)[1].splitlines() for process in (chief, other)]
    assert [chief.returncode, other.returncode] == [0, 0]
    rows = [words[0] for line in lines[0] if (words := line.split()) and words[0].endswith("/60")]
    assert (rows[0], rows[-1]) == (f"{done + 1}/60", "60/60")
    (undisturbed,) = [start([*command, tmp_path / "alone"])]
    undisturbed.communicate(timeout=PATIENCE)
    histories = [[record.elbo for record in read_history(tmp_path / name / "history.csv")] for name in ("run", "alone")]
    np.testing.assert_allclose(histories[0][:20], histories[1][:20], rtol=1e-3)
    assert histories[0][-1] == pytest.approx(histories[1][-1], abs=1.0)


def test_without_a_cluster_there_is_one_replica(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    cluster = join_cluster()
    assert (cluster.workers, cluster.index, cluster.replicas, cluster.chief) == (1, 0, 1, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"TF_CONFIG cannot be read: JSONDecodeError\(.*\); see docs/scaling.md"),
        (
            '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
            r"TF_CONFIG: expected only workers in the cluster, and a task .*, found the jobs \['worker'\] and the task worker 2; .*",
        ),
        (
            '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
            r"TF_CONFIG: expected only workers in the cluster, .*, found the jobs \['ps', 'worker'\] and the task ps 0; .*",
        ),
    ],
)
def test_a_cluster_that_cannot_be_understood_is_refused(monkeypatch, text, message):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=f"^{message}$"):
        join_cluster()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 500])
@pytest.mark.parametrize("replicas", [1, 2, 3, 8])
def test_shares_cover_the_images_once_or_are_all_of_them(monkeypatch, count, replicas):
    monkeypatch.setattr(Cluster, "replicas", replicas)
    cluster = Cluster(tf.distribute.get_strategy())
    shares = [[int(end) for end in cluster.share(tf.constant(count), tf.constant(n))] for n in range(replicas)]
    if count < replicas:
        assert shares == [[0, count]] * replicas
    else:
        cuts = [begin for begin, _ in shares]
        assert [cuts[0], *(end for _, end in shares)] == [*cuts, count]
        assert min(end - begin for begin, end in shares) >= 1
