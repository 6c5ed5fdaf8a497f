import pytest

from benchmarks import training
from benchmarks._harness import compare


@pytest.mark.parametrize("contender", training.CONTENDERS, ids=lambda contender: contender.name)
def test_contenders_train_the_same_model(contender):
    result = compare(
        [contender], training._reference, (2000,), rounds=1, seconds=0.0, atol=training.ATOL, log=lambda _: None
    )
    reason = result.skipped.get(contender.name, "")
    if contender.name.startswith("PyTorch") and reason.startswith("not installed"):
        pytest.skip(reason)
    assert not result.skipped
    assert len(result.rates[contender.name][2000]) == 1
