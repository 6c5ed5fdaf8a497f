import pytest

from benchmarks import training
from benchmarks._harness import Field, Rounds


@pytest.fixture(scope="module")
def reference():
    expected = training.reference(training.IMAGES)
    assert expected.shape == (1,)
    return lambda _images: expected


@pytest.mark.parametrize("contender", [*training.PEERS, *training.OWN], ids=lambda contender: contender.name)
def test_contenders_train_the_same_model(contender, reference, progress):
    with Field([contender], progress) as field:
        found = field.offline(training.TASK, (training.IMAGES,), reference, training.ATOL, Rounds(1, 0.0))
    (entry,) = found.offline()
    if entry.status == "skipped" and contender.name.startswith("PyTorch"):
        pytest.skip(entry.reason)
    assert (entry.status, entry.reason) == ("measured", None)
    assert len(entry.points[0].rounds) == 1
