"""Run command lines up to where their work would begin; a line is bytes, its words separated by NUL.

Nothing outside the line's folder is read, nothing is written and no model is loaded, whatever a line requests. So
millions of arbitrary lines can be tried.
"""

import contextlib
import importlib
import io
import os
import sys
from pathlib import Path
from unittest import mock

import click
import numpy as np

import cvae_runtime as cvae
from cvae_runtime import cli
from cvae_train import Dataset
from cvae_train._data import DataLook, look_at_dataset

from ._processes import DONE, MODULES, says_why

_SCRIPTS = ("cvae-generate", "cvae-encode", "cvae-train")
_TRACEBACK = ("-v", "--verbose")  # with these, errors are printed with their traceback

LINES = (
    ("cvae-generate", "-n", "4", "--seed", "7", "--first", "2", "--temperature", "0.5", "-o", "a.png", "--scale", "2"),
    ("cvae-generate", "b", "--shard-size", "10", "--format", "npy", "--dtype", "uint8", "--resume", "-o", "s", "-q"),
    ("cvae-generate", "--reconstruct", "a.png", "b.png", "--resize", "--grey", "--separate", "--receipt", "r.json"),
    ("cvae-generate", "--manifold", "--provider", "cpu", "--threads", "2", "--precision", "int8", "-o", "a.png"),
    ("cvae-generate", "--traverse", "3", "--gif", "--captions", "--seed", "5", "--overwrite"),
    ("cvae-generate", "--interpolate", "3", "8", "--method", "linear", "--steps", "9"),
    ("cvae-encode", "b", "images", "--samples", "3", "--top-anomalies", "4", "--anomalies", "x.png", "-o", "c.npz"),
    ("cvae-encode", "images", "--format", "parquet", "--receipt", "r.json", "--overwrite", "--invert", "--help"),
    ("cvae-train", "d", "--image-size", "8x9", "--channels", "3", "--test-fraction", "0.2", "--run", "r", "--resume"),
    ("cvae-train", "--preset", "fast", "--epochs", "3", "--filters", "8,16", "--latent-dim", "4", "--decay", "cosine"),
    ("cvae-train", "--objective", "analytic-kl", "--beta", "2", "--free-bits", "0.1", "--ema", "0.9"),
    ("cvae-train", "d", "--minutes", "3", "--dry-run", "--augment", "mirror", "--architecture", "residual", "--json"),
)


def read_arguments(path: Path) -> None:
    """Run the command line in a file.

    Raises:
        InputError: the command's message, if it ends with a documented exit code other than 0.
        AssertionError: it ends in any other way.
    """
    script, *words = os.fsdecode(path.read_bytes()).split("\0")
    if script not in _SCRIPTS:
        raise cvae.InputError(f"no command is called {script!r}")
    words = [word for word in words if "/" not in word and word not in _TRACEBACK]
    module = importlib.import_module(MODULES[script])
    errors, code = io.StringIO(), None
    with contextlib.ExitStack() as stack:
        for target, stands_in in _STAND_INS.items():
            stack.enter_context(mock.patch(target, stands_in))
        stack.enter_context(mock.patch.object(sys, "argv", [script, *words]))
        stack.enter_context(contextlib.chdir(path.parent))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(errors))
        try:
            cli.run(module.command)
        except SystemExit as ended:
            code = ended.code
    if code == DONE:
        return
    if not isinstance(code, int) or not says_why(code, errors.getvalue()):
        raise AssertionError(f"exit {code}: {errors.getvalue()[-300:]}")
    raise cvae.InputError(errors.getvalue())


def _end(*_: object, **__: object) -> None:
    raise click.exceptions.Exit(DONE)


def _images(*_: object, **__: object) -> Dataset:
    pixels = np.zeros((2, 28, 28, 1), np.uint8)
    return Dataset(pixels, pixels)


def _look(*_: object, **__: object) -> DataLook:
    return look_at_dataset(_images())


# Replacements of functions that take time, or that read and write files named by the line.
_STAND_INS = {
    "cvae_runtime._commands.generate.load": _end,
    "cvae_runtime._commands.encode.load": _end,
    "cvae_train._prepare.load_data": _images,
    "cvae_train._prepare.look_at": _look,
    "cvae_train._cli.import_tensorflow": _end,
}
