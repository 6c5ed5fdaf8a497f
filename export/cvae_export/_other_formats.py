"""Files for other programs, made beside the graphs of a bundle: ONNX Runtime's own format, LiteRT, a fixed batch.

No reader of bundles opens them. Each is compared with the golden vectors of the graph that it was made from.
"""

import contextlib
import hashlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import tensorflow as tf
from numpy.typing import NDArray
from onnxruntime.tools import convert_onnx_models_to_ort as ort_converter
from onnxruntime.tools import onnx_model_utils

from cvae_runtime import ParityError
from cvae_runtime.bundle import DerivedFile, Golden, GoldenCase
from cvae_runtime.system import suppress_native_stderr

from ._builder import BATCH
from ._config import ExportConfig
from ._convert import ConversionError
from ._functions import FUNCTIONS
from ._graph import Graph, opset_of, tensor_info
from ._reasons import reason_of
from ._source import ExportSource
from ._verify import run_onnx
from .passes import CPU_OPSET, PlainCol2Im, run_passes

OPERATORS_NAME = "required_operators.config"
_LITERT_BATCH = 1  # without --batch

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]


def other_formats(
    graphs: Sequence[Graph], golden: Golden, source: ExportSource, config: ExportConfig
) -> dict[DerivedFile, bytes]:
    """Return the files that a configuration asks for, with their content.

    Args:
        graphs: the graphs of the bundle.
        golden: their golden vectors.
        source: the model that they were made from.
        config: its ``also`` and ``batch``.

    Raises:
        ParityError: a file differs from the golden vectors.
        ConversionError: a graph of a fixed batch has no form in the opset that was asked for.
    """
    cases = {case.file: case for case in golden.cases}
    single = [graph for graph in graphs if graph.precision == "float32" and graph.target == "portable"]
    files: dict[DerivedFile, bytes] = {}
    if config.batch is not None:
        for graph in filter(_has_only_batches, graphs):
            data = _with_batch(graph.data, config.batch, config.opset)
            name = f"{graph.file.removesuffix('.onnx')}_batch{config.batch}.onnx"
            _check(name, run_onnx(data), cases[graph.file], config.batch)
            files[derived_file("onnx", name, data, graph.file)] = data
    if "ort" in config.also:
        written, operators = _ort_files(single)
        for graph in single:
            data, name = written[graph.file], f"{graph.role}.ort"
            _check(name, _run_ort(data), cases[graph.file], None)
            files[derived_file("ort", name, data, graph.file)] = data
        files[derived_file("ort-operators", OPERATORS_NAME, operators, "manifest.json")] = operators
    if "tflite" in config.also:
        batch = config.batch or _LITERT_BATCH
        for graph in filter(_has_only_batches, single):
            data, name = _tflite(graph.role, source, batch), f"{graph.role}.tflite"
            _check(name, _run_tflite(data), cases[graph.file], batch)
            files[derived_file("tflite", name, data, graph.file)] = data
    return files


def derived_file(kind: str, file: str, data: bytes, made_from: str) -> DerivedFile:
    """Return the manifest's entry of a file for other programs."""
    return DerivedFile(kind, file, len(data), hashlib.sha256(data).hexdigest(), from_=made_from)


def _check(name: str, run: Run, case: GoldenCase, batch: int | None) -> None:
    """Raise `ParityError` if outputs differ from a golden case, whose rows are repeated up to a fixed batch."""
    resized = (lambda array: array) if batch is None else lambda array: np.resize(array, (batch, *array.shape[1:]))
    found = run({key: resized(array) for key, array in case.inputs.items()})
    for output, array in case.outputs.items():
        difference = np.abs(found[output].astype(np.float64) - resized(array)).max()
        if not difference <= case.atol:
            raise ParityError(
                f"{name}: {output} differs from {case.file} by {difference:.1e}, more than {case.atol:.1e}; nothing was "
                f"written; leave this file out"
            )


def _has_only_batches(graph: Graph) -> bool:
    """Whether the number of images is the only open size of a graph."""
    proto = onnx.load_from_string(graph.data).graph
    shapes = [tensor_info(value).shape for value in (*proto.input, *proto.output)]
    return all(shape[:1] == (BATCH,) and not any(isinstance(size, str) for size in shape[1:]) for shape in shapes)


def _with_batch(data: bytes, batch: int, opset: int) -> bytes:
    """Fix the batch of a graph, and lower its opset to the one that was asked for.

    ONNX Runtime then folds what computes shapes, into standard operators only.
    """
    proto = onnx.load_from_string(data)
    onnx_model_utils.make_dim_param_fixed(proto.graph, BATCH, batch)
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        options.optimized_model_filepath = str(Path(folder) / "fixed.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        fixed = onnx.load(options.optimized_model_filepath)
    used = {node.domain for node in fixed.graph.node}
    kept = [entry for entry in fixed.opset_import if entry.domain in used]
    del fixed.opset_import[:]
    fixed.opset_import.extend(kept)
    fixed.metadata_props.extend(entry for entry in proto.metadata_props if entry not in fixed.metadata_props)
    fixed.producer_name, fixed.graph.name = proto.producer_name, proto.graph.name
    fixed = onnx.shape_inference.infer_shapes(fixed, strict_mode=True)
    try:
        if opset_of(fixed) > opset:
            fixed = _lowered(fixed, opset)
        onnx.checker.check_model(fixed, full_check=True)
    except (onnx.defs.SchemaError, onnx.checker.ValidationError) as error:
        raise ConversionError(
            f"--batch {batch}: a graph cannot be written at opset {opset}: {reason_of(error)}; pass --opset {CPU_OPSET}"
        ) from error
    return bytes(fixed.SerializeToString(deterministic=True))


def _lowered(proto: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Lower a graph's opset, without Col2Im and without newer attributes that have their default values."""
    model = ir.from_proto(proto)
    run_passes(model, [PlainCol2Im()])
    for node in model.graph:
        new, old = (onnx.defs.get_schema(node.op_type, version).attributes for version in (opset_of(proto), opset))
        for name in set(node.attributes) - set(old):
            if ir.serde.deserialize_attribute(new[name].default_value).value == node.attributes[name].value:
                del node.attributes[name]
    model.opset_imports[""] = opset
    return ir.to_proto(model)


def _ort_files(graphs: Iterable[Graph]) -> tuple[dict[str, bytes], bytes]:
    """Return the graphs in ONNX Runtime's format, by file, and the operators that a small build needs.

    The rewrites for the layout NCHWc depend on the vectors of the processor. The converter leaves them out for "arm".
    """
    with tempfile.TemporaryDirectory() as folder:
        for graph in graphs:
            (Path(folder) / graph.file).write_bytes(graph.data)
        # The converter prints, logs, and leaves files open.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), suppress_native_stderr():
            warnings.simplefilter("ignore", ResourceWarning)
            ort_converter.convert_onnx_models_to_ort(
                Path(folder), optimization_styles=[ort_converter.OptimizationStyle.Fixed], target_platform="arm"
            )
        written = {f"{path.stem}.onnx": path.read_bytes() for path in Path(folder).glob("*.ort")}
        lines = (Path(folder) / OPERATORS_NAME).read_text(encoding="utf-8").splitlines()
    operators = "\n".join(line for line in lines if not line.startswith("#"))  # comments name the folder
    return written, f"{operators}\n".encode()


def _run_ort(data: bytes) -> Run:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.load_model_format", "ORT")
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _tflite(role: str, source: ExportSource, batch: int) -> bytes:
    """Convert a role's function for LiteRT, with a fixed batch, since its transposed convolutions need known sizes."""
    function = FUNCTIONS[role](source)
    specs = [tf.TensorSpec([batch, *spec.shape[1:]], spec.dtype, name=spec.name) for spec in function.input_signature]
    module = tf.Module()
    module.function = tf.function(function.python_function, autograph=False, input_signature=specs)
    module.weights = list(module.function.get_concrete_function().variables)
    with tempfile.TemporaryDirectory() as folder, suppress_native_stderr():
        tf.saved_model.save(module, folder, signatures={"serving_default": module.function})
        converted: bytes = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    return converted


def _run_tflite(data: bytes) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    def run(inputs: Arrays) -> Arrays:
        with suppress_native_stderr():
            outputs: Arrays = runner(**inputs)
        return outputs

    runner = Interpreter(model_content=data, num_threads=1).get_signature_runner("serving_default")
    return run
