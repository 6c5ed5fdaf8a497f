import numpy as np
import pytest

from cvae_runtime import to_uint8
from cvae_train import Callback, RunFolder, read_history, train


class Recorder(Callback):
    def __init__(self):
        self.told = []

    def on_train_begin(self, folder, config, history):
        self.told.append(("begin", folder, config, list(history)))

    def on_epoch_end(self, record, samples):
        self.told.append(("epoch", record, samples))

    def on_train_end(self, result):
        self.told.append(("end", result))


def test_the_methods_of_a_callback_are_called(tiny_config, tiny_data, tmp_path):
    recorder = Recorder()
    result = train(tiny_data, tiny_config, tmp_path / "run", quiet=True, callbacks=[recorder, Callback()])
    begin, *epochs, end = recorder.told
    assert begin == ("begin", RunFolder(tmp_path / "run"), tiny_config, [])
    assert [(kind, record) for kind, record, _ in epochs] == [("epoch", record) for record in result.history]
    for _, record, samples in epochs:
        assert samples.shape == (16, 8, 8, 1)
        picture = np.asarray(result.image(record.epoch))  # pixels are enlarged three times, with a margin of one
        assert np.array_equal(picture[1:25:3, 1:25:3], to_uint8(samples[0, :, :, 0]))
    assert end == ("end", result)


def test_a_callback_that_fails_ends_the_run_after_a_whole_epoch(tiny_config, tiny_data, tmp_path):
    class Failing(Callback):
        def on_epoch_end(self, *_):
            raise OSError("no connection")

    with pytest.raises(OSError, match="no connection"):
        train(tiny_data, tiny_config, tmp_path / "run", quiet=True, callbacks=[Failing()])
    assert len(read_history(tmp_path / "run/history.csv")) == 1
    recorder = Recorder()
    result = train(tiny_data, tiny_config, tmp_path / "run", resume=True, quiet=True, callbacks=[recorder])
    assert recorder.told[0][3] == result.history[:1]
    assert [told[1].epoch for told in recorder.told[1:-1]] == [2, 3]
