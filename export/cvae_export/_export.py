"""A finished run to a verified bundle."""

import dataclasses
import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import (
    MANIFEST_NAME,
    RNG_NAME,
    Golden,
    GoldenCase,
    GoldenInfo,
    GoldenLatents,
    GraphInfo,
    Manifest,
    ModelInfo,
    Preprocessing,
    TargetExistsError,
    TensorInfo,
    Training,
    check_golden,
    new_folder,
    prior_latents,
    read_bundle,
    refuse_existing,
    write_file,
)
from cvae_train import RunFolder, RunResult, load_run

from ._convert import check_opset, to_onnx
from ._functions import Function, decoder_function, encoder_function
from ._settings import ATOL, DEFAULT_OPSET
from ._verify import ParityError, Run, Verification, grey_pictures, run_onnx, verify
from .passes import PORTABLE

GOLDEN_NAME = "golden.json"

_PACKAGES = ("cvae-toolkit", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """An exported bundle.

    Attributes:
        path: its folder.
        manifest: what it says of itself.
        verification: what was compared.
    """

    path: Path
    manifest: Manifest
    verification: Verification


def export(
    run: str | Path,
    target: str | Path,
    *,
    opset: int = DEFAULT_OPSET,
    data: str | Path | None = None,
    atol: float = ATOL,
    overwrite: bool = False,
    quiet: bool = False,
) -> ExportResult:
    """Export a finished run as a bundle, verified over its whole test set.

    Args:
        run: the run folder.
        target: the bundle's folder; written whole or not at all.
        opset: of the graphs, 13 to 21.
        data: the images that the run was trained on, if they are no longer where its config says.
        atol: largest difference of outputs up to 1 from the trained model's; scaled by the largest value of others.
        overwrite: replace a bundle that is there.
        quiet: show no progress.

    Raises:
        InputError: no finished run, no data, data of another fingerprint, or an opset out of range.
        TargetExistsError: the target exists, and is no bundle or ``overwrite`` is false.
        ConversionError: the opset lacks an operator.
        ParityError: a graph differs from the trained model by more than its tolerance; nothing is written.
    """
    check_opset(opset)
    target = Path(target)
    _check_target(target, overwrite)
    result = load_run(run)
    source = RunFolder(result.path)
    _, info = source.read_config()
    test_images = source.load_test(data, quiet=quiet)
    binarize_at = result.config.binarize_at
    model = _describe_model(result)
    functions = {
        "encoder": encoder_function(result.model, binarize_at),
        "decoder": decoder_function(result.model),
    }
    outputs = {"encoder": ("mean", "logvar"), "decoder": model.decoder_outputs}
    graphs, passes = {}, {}
    for role, function in functions.items():
        metadata_props = {f"cvae.{key}": value for key, value in dataclasses.asdict(model).items()}
        metadata_props |= {"cvae.format": 1, "cvae.role": role}
        graphs[role], passes[role] = to_onnx(function, opset, PORTABLE, outputs[role], metadata_props)
    exported = {role: run_onnx(graph) for role, graph in graphs.items()}
    reference = {role: _run_tensorflow(function) for role, function in functions.items()}
    verification = verify(reference, exported, test_images, binarize_at, atol, model.likelihood)
    verification.check()
    golden = _golden(exported, model, test_images).to_json().encode()
    manifest = Manifest(
        model=model,
        training=Training(
            config=result.config.to_json(),
            data=Path(info.source).name,
            test_images=info.test_images,
            test_elbo=verification.elbo.mean,
            test_elbo_stderr=verification.elbo.stderr,
        ),
        graphs=tuple(_describe_graph(role, graphs[role], passes[role], verification) for role in functions),
        golden=GoldenInfo(GOLDEN_NAME, len(golden), hashlib.sha256(golden).hexdigest()),
        versions={name: metadata.version(name) for name in _PACKAGES},
    )
    with new_folder(target) as folder:
        for graph in manifest.graphs:
            write_file(folder / graph.file, graphs[graph.role])
        write_file(folder / GOLDEN_NAME, golden)
        write_file(folder / MANIFEST_NAME, manifest.to_json().encode())
        _read_back(folder)
    return ExportResult(target, manifest, verification)


def _check_target(target: Path, overwrite: bool) -> None:
    refuse_existing(target, overwrite)
    if target.exists() and not (target / MANIFEST_NAME).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise TargetExistsError(f"{target} exists and is no bundle, so it is not overwritten; choose another name")


def _describe_model(result: RunResult) -> ModelInfo:
    config = result.config.model
    return ModelInfo(
        image_shape=config.image_shape,
        latent_dim=config.latent_dim,
        filters=config.filters,
        likelihood=config.likelihood,
        preprocessing=Preprocessing(scale=255, binarize_at=result.config.binarize_at),
        rng=RNG_NAME,
    )


def _describe_graph(role: str, graph: bytes, passes: list[str], verification: Verification) -> GraphInfo:
    proto = onnx.load_from_string(graph)
    return GraphInfo(
        role=role,
        target="portable",
        precision="float32",
        file=f"{role}.onnx",
        bytes=len(graph),
        sha256=hashlib.sha256(graph).hexdigest(),
        opset=proto.opset_import[0].version,
        ir_version=proto.ir_version,
        passes=tuple(passes),
        inputs=tuple(_describe_tensor(value) for value in proto.graph.input),
        outputs=tuple(_describe_tensor(value) for value in proto.graph.output),
        verified=verification.of(role),
    )


def _describe_tensor(value: onnx.ValueInfoProto) -> TensorInfo:
    tensor = value.type.tensor_type
    shape = tuple(dimension.dim_param or dimension.dim_value for dimension in tensor.shape.dim)
    return TensorInfo(value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name, shape)


def _run_tensorflow(function: Function) -> Run:
    def run(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        outputs = function(**{name: tf.constant(array) for name, array in inputs.items()})
        return {name: output.numpy() for name, output in outputs.items()}

    return run


def _golden(exported: Mapping[str, Run], model: ModelInfo, test_images: NDArray[np.uint8]) -> Golden:
    """Golden vectors: two test images and one of all grey values; four latents; the RNG at its corners."""
    images = np.concatenate([test_images[:2], grey_pictures(model.image_shape)[:1]])
    inputs = {"encoder": {"images": images}, "decoder": {"z": prior_latents(0, 0, 4, model.latent_dim)}}
    cases = []
    for role, arrays in inputs.items():
        outputs = exported[role](arrays)
        largest = max(float(np.abs(array).max()) for array in outputs.values())
        # Other processors and runtimes sum in another order: a digit more than the export's own tolerance.
        cases.append(GoldenCase(f"{role}.onnx", arrays, outputs, 10 * ATOL * max(1.0, largest)))
    corners = [(0, 0, 2, model.latent_dim), (7, 40, 1, model.latent_dim), (0x0123456789ABCDEF, 2**40, 1, 3)]
    rng = [GoldenLatents(*corner, prior_latents(*corner)) for corner in corners]
    return Golden(tuple(cases), tuple(rng))


def _read_back(folder: Path) -> None:
    """The last proof: what was written is read as a user would read it, and agrees with its golden vectors."""
    failed = [result for result in check_golden(read_bundle(folder)) if not result.agrees]
    if failed:
        raise ParityError(f"the bundle disagrees with its own golden vectors: {failed}; nothing was written")
