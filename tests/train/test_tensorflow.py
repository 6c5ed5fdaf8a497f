"""`import_tensorflow` where TensorFlow is missing."""

import sys
from types import SimpleNamespace

import pytest

import cvae_runtime as cvae
from cvae_train import _tensorflow


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ((3, 13, 5), "tensorflow is not installed; install it with: pip install 'cvae-toolkit[export]'"),
        (
            (3, 14, 0),
            (
                "tensorflow: expected Python 3.11 to 3.13, found 3.14; "
                "install cvae-toolkit[export] with a supported Python"
            ),
        ),
    ],
)
def test_missing_tensorflow(python, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # importing it fails
    monkeypatch.setattr(_tensorflow, "sys", SimpleNamespace(version_info=python))
    with pytest.raises(cvae.MissingExtraError) as caught:
        _tensorflow.import_tensorflow(verbose=True, extra="export")
    assert str(caught.value) == message
