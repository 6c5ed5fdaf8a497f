import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_runtime import InputError
from cvae_train import EpochRecord, read_history
from cvae_train._run.course import Course
from cvae_train._run.history import best_epoch, overfitting_warning, write_history

floats = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.builds(EpochRecord, st.integers(1, 10**6), *[floats] * 6, st.none() | floats), max_size=4))
def test_a_history_is_read_as_it_was_written(tmp_path_factory, history):
    path = tmp_path_factory.mktemp("history") / "history.csv"
    write_history(path, history)
    assert read_history(path) == history


def test_the_file_is_a_header_and_a_row_an_epoch(tmp_path):
    figures = (-80.5, -50.25, 30.25, -90.0, 2.0, 30_000.0)
    write_history(tmp_path / "h.csv", [EpochRecord(1, *figures), EpochRecord(2, *figures, -81.5)])
    assert (tmp_path / "h.csv").read_text() == (
        "epoch,elbo,reconstruction,kl,train_elbo,seconds,images_per_second,validation_elbo\n"
        "1,-80.5,-50.25,30.25,-90.0,2.0,30000.0,\n"
        "2,-80.5,-50.25,30.25,-90.0,2.0,30000.0,-81.5\n"
    )


def test_a_history_without_a_validation_column_is_read(tmp_path):
    header = "epoch,elbo,reconstruction,kl,train_elbo,seconds,images_per_second"
    (tmp_path / "h.csv").write_text(f"{header}\n1,-80.5,-50.25,30.25,-90.0,2.0,30000.0\n")
    assert read_history(tmp_path / "h.csv") == [EpochRecord(1, -80.5, -50.25, 30.25, -90.0, 2.0, 30_000.0)]


def records(*validation_elbos):
    return [EpochRecord(epoch, *[0.0] * 6, elbo) for epoch, elbo in enumerate(validation_elbos, 1)]


@pytest.mark.parametrize(
    ("history", "patience", "kept", "stops"),
    [
        (records(), 2, 0, False),
        (records(-3.0, -2.0, -1.0), 2, 3, False),
        (records(-3.0, -1.0, -2.0), 2, 2, False),
        (records(-3.0, -1.0, -2.0, -1.5), 2, 2, True),
        (records(-1.0, -1.0, -1.0), 2, 1, True),  # the first of equal ones: an equal ELBO is not better
        (records(None, None), 0, 2, False),
        (records(-1.0, -2.0), 0, 1, False),
    ],
)
def test_a_run_keeps_its_best_epoch(history, patience, kept, stops):
    assert Course().kept_epoch(history) == kept
    assert Course().stops_early(history, patience) == stops


def test_an_older_run_without_early_stopping_keeps_the_last_epoch():
    fields = {"config": {"patience": 0}}
    assert Course.from_json(fields, "c").kept_epoch(records(-1.0, -2.0)) == 2
    fields["config"]["patience"] = 3
    assert Course.from_json(fields, "c").kept_epoch(records(-1.0, -2.0)) == 1


def test_early_stopping_of_a_continuation_counts_from_its_start():
    history = records(-1.0, -2.0, -3.0, -4.0)
    assert [Course(continued_after=(2, after)).stops_early(history, 2) for after in (2, 3)] == [True, False]


@pytest.mark.parametrize("course", [Course(), Course(keeps_best=False, continued_after=(3, 7))])
def test_a_course_is_read_as_it_was_written(course):
    assert Course.from_json({"config": {"patience": 0}, **course.to_json()}, "c") == course


def test_a_damaged_course_is_refused():
    with pytest.raises(InputError) as caught:
        Course.from_json({"config": {}, "continued_after": 3}, "run/config.json")
    assert str(caught.value) == (
        "run/config.json: expected keeps, continued_after and start as cvae-train writes them, found TypeError(\"'int' "
        'object is not iterable"); restore the file, or start again with --overwrite'
    )


def test_a_fallen_validation_elbo_is_overfitting():
    history = records(-300.0, -200.0, -201.0, -203.0)
    assert best_epoch(history) == 2
    assert overfitting_warning(history[:3], 2) is None  # half a percent
    assert overfitting_warning(history, 2) == (
        "overfitting: the validation ELBO fell from -200.00 at epoch 2 to -203.00 at epoch 4, and the weights of epoch "
        "2 are kept; try more images, fewer --epochs, --patience 5, or a smaller --latent-dim"
    )
    assert overfitting_warning(records(None, None), 2) is None
    assert best_epoch(records()) is None


@pytest.mark.parametrize("text", ["", "no such file", "epoch,elbo\n", "epoch,elbo\n1,2\n", "epoch,elbo,reconstruction,kl,train_elbo,seconds,images_per_second\n1,x,,,,,\n"])  # fmt: skip
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "h.csv").write_text(text)
    with pytest.raises(
        InputError, match=r"h.csv: expected a history with the columns \['epoch', .*\], found .*; restore the file"
    ):
        read_history(tmp_path / "h.csv")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"h.csv: expected a history .*, found FileNotFoundError"):
        read_history(tmp_path / "h.csv")
