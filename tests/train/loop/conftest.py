import numpy as np
import pytest

from cvae_train import Dataset


@pytest.fixture(params=["in memory", "streamed"])
def data(request, tiny_data, tmp_path):
    """The tiny images, with grey levels; their training images in memory, or mapped."""
    if request.param == "in memory":
        return tiny_data
    np.save(tmp_path / "train.npy", tiny_data.train)
    return Dataset(np.load(tmp_path / "train.npy", mmap_mode="r"), tiny_data.test)
