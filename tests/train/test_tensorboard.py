import io

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from cvae_runtime import MissingExtraError
from cvae_train import TensorBoard, train
from cvae_train._model.losses import preprocess


@pytest.fixture(scope="module")
def run(tiny_config, tiny_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    return train(tiny_data, tiny_config, path, quiet=True, callbacks=[TensorBoard(tiny_data.test)])


@pytest.fixture(scope="module")
def events(run):
    accumulator = EventAccumulator(str(run.path / "tensorboard"))
    accumulator.Reload()
    return {tag: accumulator.Tensors(tag) for tag in accumulator.Tags()["tensors"]}


def test_scalars_are_the_history(run, events):
    names = {"elbo/test": "elbo", "elbo/train": "train_elbo", "test/kl": "kl", "test/reconstruction": "reconstruction"}
    for tag, name in names.items():
        assert [event.step for event in events[tag]] == [1, 2, 3]
        found = [float(tensor_util.make_ndarray(event.tensor_proto)) for event in events[tag]]
        np.testing.assert_allclose(found, [getattr(record, name) for record in run.history], rtol=1e-6)
    assert "elbo/validation" not in events


def test_pictures_are_the_samples(run, events):
    _, _, png = tensor_util.make_ndarray(events["samples"][-1].tensor_proto)
    found = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    assert np.array_equal(found[1:9, 1:9], np.asarray(run.image(3))[1:25:3, 1:25:3])


def test_the_projector_shows_the_test_images_at_their_means(run, tiny_data):
    folder = run.path / "tensorboard"
    means = run.model.encode(preprocess(tiny_data.test, 128))[0].numpy()
    np.testing.assert_allclose(np.loadtxt(folder / "latents.tsv", delimiter="\t"), means, rtol=1e-5, atol=1e-6)
    sprite = np.asarray(Image.open(folder / "sprite.png"))
    assert sprite.shape == (32, 32)  # 13 images of 8 x 8 as 4 x 4
    assert np.array_equal(sprite[8:16, 0:8], tiny_data.test[4, :, :, 0])
    assert (
        'sprite {\n    image_path: "sprite.png"\n    single_image_dim: 8\n    single_image_dim: 8\n'
        in (folder / "projector_config.pbtxt").read_text()
    )


def test_without_tensorboard_it_names_the_extra(monkeypatch, tiny_data):
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with pytest.raises(MissingExtraError) as caught:
        TensorBoard(tiny_data.test)
    assert str(caught.value) == (
        "tensorboard is not installed; install it with: pip install 'cvae-toolkit[tensorboard]'"
    )
