"""Ray Datasets of samples and codes, computed on a Ray cluster (``pip install 'cvae-toolkit[ray]'``).

    import cvae_runtime.ray
    samples = cvae_runtime.ray.generate(1_000_000, seed=7)    # a Ray Dataset of index and image
    samples.write_parquet("/shared/digits")
    codes = cvae_runtime.ray.encode("/shared/images")         # adds mean, logvar and elbo

A sample is a function of seed and index. So it has the same bits on one machine and on many, and Ray computes the
samples of a failed machine again.
"""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from ._bundle import Precision
from ._check import check_int
from ._cluster import RemoteModel
from ._engine import Provider, check_provider
from ._errors import InputError
from ._jobs import Columns, code_batch, code_columns
from ._math import check_range
from ._model import Dtype, Label, check_samples, class_names, index_of, load
from ._system import require

for _module in ("pyarrow", "pandas"):  # Ray Data needs them, and installing ray alone omits them
    require(_module, "ray")
_data = require("ray.data", "ray")

__all__ = ["encode", "generate"]

_BATCH_BYTES = 16 << 20  # of a batch of float32 images
_BATCH_MULTIPLE = 256  # a multiple of every micro-batch, so that batches cut few micro-batches
_MOST_TASKS = 5_000  # Ray Data plans this many well; with more batches, a task computes several


def generate(
    count: int,
    *,
    bundle: str | Path | None = None,
    seed: int = 0,
    first: int = 0,
    temperature: float = 1.0,
    batch: int | None = None,
    dtype: Dtype = "float32",
    label: Label | None = None,
    provider: Provider = "cpu",
    precision: Precision = "float32",
    threads: int = 1,
    workers: int | None = None,
) -> Any:
    """Draw samples ``first .. first + count - 1`` of the stream of ``seed`` on a Ray cluster.

    The Dataset is lazy: tasks run when it is consumed. Each sample has the same bits as from `Model.stream` on a
    machine of the same kind. Rows arrive in the order of completion, and ``index`` identifies them. To get them in
    the stream's order, set ``ray.data.DataContext.get_current().execution_options.preserve_order``.

    Args:
        count, seed, first, temperature: as for `Model.stream`.
        bundle: the bundle's folder on this machine. Its bytes are sent to the cluster. Default: the packaged bundle.
        batch: samples per batch. Default: about 16 MiB of float32 images.
        dtype: "float32" for images in [0, 1], or "uint8" for grey levels.
        label: class of the samples, by name or index, for models with labels. Default: no label.
        provider: the execution provider, by name; "auto" is an error. "cuda" takes one GPU per task.
        precision: "float32", "float16" or "int8".
        threads: threads per task, which reserves as many cores.
        workers: most tasks that run at the same time. Default: as many as the cluster has room for.

    Returns:
        ``ray.data.Dataset`` with the columns ``index``, int64, and ``image``, a tensor (H, W, C) of ``dtype``. Samples
        of a class also have the column ``label``, its name.

    Raises:
        InputError: a number out of range, an unknown provider, precision or dtype, or a wrong class.
        BundleError: the bundle is unusable.
        IntegrityError: a file of the bundle differs from the manifest.

    Examples:
        >>> import cvae_runtime.ray
        >>> samples = cvae_runtime.ray.generate(1000, seed=7)
        >>> samples.count()
        1000
    """
    _check_provider(provider)
    with load(bundle, provider="cpu", precision=precision, threads=threads) as model:  # checks arguments early
        check_samples(model.manifest.model, count, seed=seed, first=first, temperature=temperature, dtype=dtype)
        size = _default_batch(model.image_shape) if batch is None else check_int("batch", batch, 1)
        name = None
        if label is not None:
            names = class_names(model.manifest.model)
            name = names[index_of(names, label)]
    remote = RemoteModel.put(bundle, provider, precision, threads)
    batches = -(-int(count) // size)
    numbers = _data.range(batches, override_num_blocks=min(batches, _MOST_TASKS))
    return numbers.map_batches(
        _samples,
        batch_size=1,
        fn_kwargs={
            "remote": remote,
            "samples": range(int(first), int(first) + int(count)),
            "size": size,
            "seed": int(seed),
            "temperature": float(temperature),
            "dtype": dtype,
            "label": name,
        },
        compute=_tasks(workers),
        **remote.resources,
    )


def encode(
    images: Any,
    *,
    bundle: str | Path | None = None,
    samples: int = 1,
    seed: int = 0,
    classify: bool = False,
    provider: Provider = "cpu",
    precision: Precision = "float32",
    threads: int = 1,
    workers: int | None = None,
) -> Any:
    """Encode and score images on a Ray cluster.

    The Dataset is lazy: tasks run when it is consumed. An image's noise is a function of seed and index alone. The
    size of the Dataset's blocks changes codes only by rounding, by less than 1e-6.

    Args:
        images: ``ray.data.Dataset`` with the columns ``index``, int64, and ``image``, a uint8 tensor (H, W, C); or the
            path of Parquet files with these columns, such as ``cvae-generate --format parquet --dtype uint8`` writes.
        bundle, provider, precision, threads, workers: as for `generate`.
        samples, seed: as for `Model.score`.
        classify: also find the most probable class of each image, with a model with labels.

    Returns:
        The ``ray.data.Dataset`` with more columns: ``mean`` and ``logvar``, float32 (L,), and ``elbo``, float64, in
        nats. For likelihoods of 256 levels also ``bits_per_dimension``, float64. With more than one sample also
        ``iw_bound`` over that many draws, float64, in nats. With ``classify`` also ``label``, the name of the class,
        and ``label_probability``, float64.

    Raises:
        InputError: a number out of range, an unknown provider or precision, or no labels to classify by. Images of a
            wrong dtype or shape raise when the Dataset is consumed.
        BundleError: the bundle is unusable.
        IntegrityError: a file of the bundle differs from the manifest.

    Examples:
        >>> import cvae_runtime.ray
        >>> codes = cvae_runtime.ray.encode(cvae_runtime.ray.generate(1000, dtype="uint8"))
        >>> codes.take(1)[0]["mean"].shape
        (40,)
    """
    _check_provider(provider)
    with load(bundle, provider="cpu", precision=precision, threads=threads) as model:  # checks arguments early
        check_range(seed, 0, check_int("samples", samples, 1), model.latent_dim)
        if classify:
            class_names(model.manifest.model)  # raises without labels
        size = code_batch(model.image_shape)
    remote = RemoteModel.put(bundle, provider, precision, threads)
    dataset = _data.read_parquet(str(images)) if isinstance(images, str | Path) else images
    return dataset.map_batches(
        _codes,
        batch_size=size,
        batch_format="numpy",
        fn_kwargs={"remote": remote, "samples": int(samples), "seed": int(seed), "classify": classify},
        compute=_tasks(workers),
        **remote.resources,
    )


def _check_provider(provider: str) -> None:
    check_provider(provider)
    if provider == "auto":
        raise InputError("provider must be a named one on a cluster, since machines may differ; found 'auto'")


def _tasks(workers: int | None) -> Any:
    return _data.TaskPoolStrategy(None if workers is None else check_int("workers", workers, 1))


def _samples(
    numbers: Columns,
    *,
    remote: RemoteModel,
    samples: range,
    size: int,
    seed: int,
    temperature: float,
    dtype: Dtype,
    label: str | None,
) -> Columns:
    """Draw the batch whose number is the one row of ``numbers``."""
    start = int(numbers["id"][0]) * size
    indices = samples[start : start + size]
    (images,) = remote.load().stream(
        len(indices),
        seed=seed,
        first=indices.start,
        batch=len(indices),
        temperature=temperature,
        dtype=dtype,
        label=label,
    )
    columns = {"index": np.arange(indices.start, indices.stop, dtype=np.int64), "image": images}
    return columns if label is None else {**columns, "label": np.full(len(indices), label)}


def _codes(batch: Columns, *, remote: RemoteModel, samples: int, seed: int, classify: bool) -> Columns:
    if not {"index", "image"} <= batch.keys():
        raise InputError(f"expected the columns index and image; found {', '.join(batch)}")
    index, images = batch["index"], batch["image"]
    # Noise is drawn for consecutive indices. Missing shards or shuffled rows make several runs.
    cuts = [0, *(np.flatnonzero(np.diff(index) != 1) + 1), len(index)]
    runs = [
        code_columns(
            remote.load(), images[start:stop], int(index[start]), samples=samples, seed=seed, classify=classify
        )
        for start, stop in itertools.pairwise(cuts)
    ]
    return batch | {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}


def _default_batch(image_shape: tuple[int, int, int]) -> int:
    return _BATCH_MULTIPLE * max(1, _BATCH_BYTES // (4 * math.prod(image_shape)) // _BATCH_MULTIPLE)
