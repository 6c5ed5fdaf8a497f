"""Run the notebook from top to bottom with a small training, and check its outputs."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

import cvae_runtime as cvae
from tests.examples.conftest import EXAMPLES, ROOT

nbformat = pytest.importorskip("nbformat", reason="the package nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="the package nbclient is not installed")
pytest.importorskip("ipykernel", reason="the package ipykernel is not installed")

PATH = EXAMPLES / "notebook/training_to_embedding.ipynb"
SMALL = {"TRAIN_IMAGES": 5000, "TEST_IMAGES": 1000, "EPOCHS": 2}


def read():
    return nbformat.read(PATH, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory, with_packages):
    """The notebook's cells by id, executed in an empty folder; and the folder."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = read()
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source = re.sub(
        r"^(\w+) = \w+", lambda m: f"{m[1]} = {SMALL[m[1]]}", parameters.source, flags=re.MULTILINE
    )
    strict = nbformat.v4.new_code_cell("import warnings\nwarnings.simplefilter('error')", id="strict")
    notebook.cells.insert(0, strict)
    client = nbclient.NotebookClient(notebook, timeout=None, resources={"metadata": {"path": folder}})
    client.execute(env=with_packages)
    return {cell.id: cell for cell in notebook.cells}, folder


def text_of(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def picture_of(cell):
    data = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(data) == 1
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data[0]))))


def test_nothing_warns(executed):
    for cell in executed[0].values():
        for output in cell.get("outputs", []):
            assert output.get("name", "stdout") == "stdout", output
            assert "WARNING" not in output.get("text", ""), output  # from TensorFlow, on any stream


def test_training_export_and_verification(executed):
    cells, folder = executed
    assert text_of(cells["data"]) == "train (5000, 28, 28, 1) test (1000, 28, 28, 1) uint8\n"
    epochs = [
        float(elbo) for elbo in re.findall(r"^epoch \d: test ELBO (\S+) nats", text_of(cells["training"]), re.MULTILINE)
    ]
    assert len(epochs) == 2
    assert -300 < epochs[0] < epochs[1] < -120
    assert re.findall(r"^(\S+onnx)  ", text_of(cells["export"]), re.MULTILINE)[:3] == ["encoder.onnx"] * 2 + [
        "decoder.onnx"
    ]
    assert {"encoder.onnx", "decoder.onnx"} <= {line.split()[0] for line in text_of(cells["verify"]).splitlines()}
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert names == {"digits.npz", "my-run", "my-model"}


def test_pictures(executed):
    cells, folder = executed
    with np.load(folder / "digits.npz") as arrays:
        digits = arrays["x_test"][:8]
    grid = cvae.image_grid(digits, 8, scale=2)[..., 0]
    np.testing.assert_array_equal(picture_of(cells["data"]), grid)
    np.testing.assert_array_equal(picture_of(cells["encode"])[: len(grid)], grid)
    with cvae.load(folder / "my-model") as model:
        samples = cvae.image_grid(cvae.to_uint8(model.generate(32, seed=7)), 8, scale=2)[..., 0]
        assert np.abs(picture_of(cells["generate"]).astype(int) - samples).max() <= 1
    rows = {"typical": 4, "score": 1, "interpolate": 3, "embed": 2}
    assert {name: picture_of(cells[name]).shape[0] for name in rows} == {name: 57 * n + 1 for name, n in rows.items()}
    assert not np.array_equal(picture_of(cells["before"]), picture_of(cells["after"]))


def test_the_card_of_the_model(executed):
    cells, folder = executed
    (output,) = cells["model"].outputs
    with cvae.load(folder / "my-model") as model:
        assert output.data["text/plain"] == repr(model)
        assert output.data["text/html"] == model._repr_html_()


def test_printed_figures(executed):
    cells, _ = executed
    training, stripes = re.fullmatch(
        r"<Scores of 1000 images by 1 draw: elbo .*>\ntest ELBO (\S+) nats, in training it was (\S+)\nstripes   (\S+) nats\n",
        text_of(cells["score"]),
    ).group(2, 3)
    assert float(stripes) < float(training) - 100
    difference = re.fullmatch(r"largest difference from cvae_runtime: (\S+)\n", text_of(cells["embed"]))[1]
    assert float(difference) < 1e-6


def test_it_is_stored_without_outputs():
    notebook = read()
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert str(ROOT) not in PATH.read_text()
