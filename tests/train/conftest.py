import contextlib

import pytest

from cvae_train import import_tensorflow, train
from cvae_train._loop.loop import Loop

import_tensorflow()


@pytest.fixture
def interrupted_in(monkeypatch):
    """A context manager: Ctrl-C at the begin of this epoch, in whatever trains in the block."""

    @contextlib.contextmanager
    def interrupted_in(interrupted):
        whole = Loop.train_epoch

        def train_epoch(loop, epoch, on_images):
            if epoch == interrupted:
                raise KeyboardInterrupt
            return whole(loop, epoch, on_images)

        with monkeypatch.context() as patch:
            patch.setattr(Loop, "train_epoch", train_epoch)
            yield

    return interrupted_in


@pytest.fixture
def resumed(interrupted_in, tmp_path):
    """A function that trains, is stopped by Ctrl-C at the begin of an epoch, and resumes: the finished run ``cut``."""

    def resumed(data, config, epoch=2):
        with interrupted_in(epoch), pytest.raises(KeyboardInterrupt):
            train(data, config, tmp_path / "cut", quiet=True)
        return train(data, config, tmp_path / "cut", resume=True, quiet=True)

    return resumed


@pytest.fixture
def interrupted_at(monkeypatch):
    """A context manager: training in the block is stopped by Ctrl-C when it calls this function of `cvae_train`."""

    @contextlib.contextmanager
    def interrupted_at(name):
        def interrupt(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(f"cvae_train.{name}", interrupt)
            with pytest.raises(KeyboardInterrupt):
                yield

    return interrupted_at
