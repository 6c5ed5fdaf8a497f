import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime import InputError
from cvae_train import EpochRecord, read_history
from cvae_train._history import write_history

floats = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.builds(EpochRecord, st.integers(1, 10**6), *[floats] * 6), max_size=4))
def test_a_history_is_read_as_it_was_written(tmp_path_factory, history):
    path = tmp_path_factory.mktemp("history") / "history.csv"
    write_history(path, history)
    assert read_history(path) == history


def test_the_file_is_a_header_and_a_row_an_epoch(tmp_path):
    write_history(tmp_path / "h.csv", [EpochRecord(1, -80.5, -50.25, 30.25, -90.0, 2.0, 30_000.0)])
    assert (tmp_path / "h.csv").read_text() == (
        "epoch,elbo,reconstruction,kl,train_elbo,seconds,images_per_second\n1,-80.5,-50.25,30.25,-90.0,2.0,30000.0\n"
    )


@pytest.mark.parametrize("text", ["epoch,elbo\n1,2\n", "epoch,elbo,reconstruction,kl,train_elbo,seconds,images_per_second\n1,x,,,,,\n"])  # fmt: skip
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "h.csv").write_text(text)
    with pytest.raises(InputError, match=r"h.csv: cannot be read as a history: .*; expected the columns \['epoch', "):
        read_history(tmp_path / "h.csv")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"h.csv: cannot be read as a history: FileNotFoundError"):
        read_history(tmp_path / "h.csv")
