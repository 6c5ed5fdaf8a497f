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


def test_words_select_peers(monkeypatch, progress):
    asked = []

    class Nobody:
        def __init__(self, contenders, _progress):
            asked.extend(contender.name for contender in contenders)
            raise InterruptedError

    monkeypatch.setattr(training, "Field", Nobody)
    with pytest.raises(InterruptedError):
        next(training.run(quick=True, progress=progress, peers=["notebook"]))
    assert asked == ["TensorFlow, eager as the notebook", *(each.name for each in training.OWN)]
