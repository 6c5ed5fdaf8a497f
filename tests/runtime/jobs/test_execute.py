"""Executors and tasks of jobs."""

from cvae_runtime._jobs import InProcess, batches_of
from cvae_runtime._jobs.encode import Batch
from cvae_runtime._jobs.shards import Shard


def test_in_process_runs_each_task_in_order_when_its_result_is_taken():
    ran = []

    def work(model, task):
        ran.append(task)
        return model, task * 10

    completed = InProcess("model")(work, [1, 2, 3])
    assert (next(completed), ran) == ((1, ("model", 10)), [1])
    assert list(completed) == [(2, ("model", 20)), (3, ("model", 30))]


def test_batches_cover_all_images_and_know_their_number():
    assert batches_of(5, 2) == [Batch(range(2), 5), Batch(range(2, 4), 5), Batch(range(4, 5), 5)]


def test_errors_name_tasks():
    assert str(Shard("part-00004.npy", range(40, 50))) == "part-00004.npy"
    assert str(Batch(range(1000, 2000), 5000)) == "images 1,000 to 1,999 of 5,000"
