"""One adapter per runtime: takes an ONNX file and its output names, returns a function from inputs to outputs by name.

Each imports its runtime when called and needs only that and NumPy. Files of ``--also`` are beside the ONNX file.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._javascript import javascript
from ._tools import Arrays, ConvertsOnly, Run, Runtime, item_by_item, run_tool


def _onnxruntime(path: Path, outputs: Sequence[str]) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.add_session_config_entry("session.load_model_format", path.suffix[1:].upper())
    session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return lambda inputs: dict(zip(outputs, session.run(outputs, inputs), strict=True))


def _ort_file(path: Path, outputs: Sequence[str]) -> Run:
    return _onnxruntime(path.with_suffix(".ort"), outputs)


def _litert(path: Path, outputs: Sequence[str]) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path.with_suffix(".tflite"))).get_signature_runner("serving_default")

    def run(item: Arrays) -> Arrays:
        results = runner(**item)
        return {name: results[name] for name in outputs}

    return item_by_item(run)


def _reference(path: Path, outputs: Sequence[str]) -> Run:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(path))

    def run(inputs: Arrays) -> Arrays:
        with np.errstate(over="ignore"):  # its Sigmoid computes both branches
            return dict(zip(outputs, evaluator.run(outputs, inputs), strict=True))

    return run


def _openvino(path: Path, outputs: Sequence[str]) -> Run:
    import openvino as ov

    compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: Arrays) -> Arrays:
        results = compiled(inputs)
        return {name: results[name] for name in outputs}

    return run


def _ovc(path: Path, outputs: Sequence[str]) -> Run:
    converted = path.with_suffix(".xml")
    run_tool("ovc", path, "--output_model", converted, "--compress_to_fp16", "False")
    return _openvino(converted, outputs)


def _opencv(path: Path, outputs: Sequence[str]) -> Run:
    import cv2

    net = cv2.dnn.readNetFromONNX(str(path))

    def run(inputs: Arrays) -> Arrays:
        for name, array in inputs.items():
            net.setInput(array, name)
        return dict(zip(outputs, net.forward(outputs), strict=True))

    return run


def _tract(path: Path, outputs: Sequence[str]) -> Run:
    """Load the graph for each batch size; tract does not infer the shapes of labels from an open one."""
    import tract

    kinds = {"uint8": "u8", "float32": "f32", "int64": "i64"}

    def run(inputs: Arrays) -> Arrays:
        model = tract.onnx().load(str(path))
        for index, array in enumerate(inputs.values()):
            model.set_input_fact(index, ",".join([*map(str, array.shape), kinds[array.dtype.name]]))
        results = model.into_model().into_runnable().run([*inputs.values()])
        return {name: result.to_numpy() for name, result in zip(outputs, results, strict=True)}

    return run


def _tvm(path: Path, outputs: Sequence[str]) -> Run:
    """Compile the graph for each batch size; TVM does not lower its reshapes to an open one."""
    import onnx
    import tvm
    from tvm.relax import VirtualMachine
    from tvm.relax.frontend.onnx import from_onnx

    def run(inputs: Arrays) -> Arrays:
        shapes = {name: list(array.shape) for name, array in inputs.items()}
        module = from_onnx(onnx.load(path), shape_dict=shapes, keep_params_in_input=False)
        main = VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())["main"]
        return {n: o.numpy() for n, o in _named(outputs, main(*map(tvm.runtime.tensor, inputs.values())))}

    return run


def _iree(path: Path, outputs: Sequence[str]) -> Run:
    from iree import compiler, runtime

    mlir = path.with_suffix(".mlir")
    run_tool("iree-import-onnx", path, "-o", mlir, "--opset-version", "17")
    compiled = compiler.compile_file(str(mlir), target_backends=["llvm-cpu"], input_type="onnx")
    context = runtime.SystemContext(config=runtime.Config("local-task"))
    context.add_vm_module(runtime.VmModule.copy_buffer(context.instance, compiled))

    def run(inputs: Arrays) -> Arrays:
        results = context.modules.module[path.stem](*inputs.values())  # the function is named after the graph, its role
        return {n: o.to_host() for n, o in _named(outputs, results)}

    return run


def _mnn(path: Path, outputs: Sequence[str]) -> Run:
    from MNN import expr, nn

    converted = path.with_suffix(".mnn")
    run_tool("mnnconvert", "-f", "ONNX", "--modelFile", path, "--MNNModel", converted)
    types = {"uint8": (expr.uint8, np.uint8), "float32": (expr.float, np.float32), "int64": (expr.int, np.int32)}

    def run(inputs: Arrays) -> Arrays:
        net = nn.load_module_from_file(str(converted), [*inputs], [*outputs])
        values = []
        for array in inputs.values():
            kind, dtype = types[array.dtype.name]
            values.append(expr.const(array.astype(dtype), list(array.shape), expr.NCHW, kind))
        return {name: value.read().copy() for name, value in zip(outputs, net.forward(values), strict=True)}

    return run


def _ncnn(path: Path, outputs: Sequence[str]) -> Run:
    import ncnn

    net = ncnn.Net()
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = False

    def run(item: Arrays) -> Arrays:
        param, weights = path.with_suffix(".ncnn.param"), path.with_suffix(".ncnn.bin")
        if not param.exists():
            kinds = {"uint8": "u8", "float32": "f32", "int64": "i64"}
            shapes = ",".join(f"{[*array.shape]}{kinds[array.dtype.name]}" for array in item.values()).replace(" ", "")
            run_tool("pnnx", path, f"inputshape={shapes}", "fp16=0", folder=path.parent)
            if net.load_param(str(param)) or net.load_model(str(weights)):
                raise RuntimeError("ncnn does not load the output of pnnx")
        extractor = net.create_extractor()
        for index, array in enumerate(item.values()):
            values = array[0].astype(np.float32)  # named, since ncnn's matrix does not keep the array that it refers to
            extractor.input(f"in{index}", ncnn.Mat(values).clone())
        return {name: np.array(extractor.extract(f"out{n}")[1])[None] for n, name in enumerate(outputs)}

    return item_by_item(run)


def _onnx2torch(path: Path, outputs: Sequence[str]) -> Run:
    import torch
    from onnx2torch import convert

    module = convert(path).eval()

    def run(inputs: Arrays) -> Arrays:
        with torch.no_grad():
            return {n: o.numpy() for n, o in _named(outputs, module(*map(torch.tensor, inputs.values())))}

    return run


def _coremltools(path: Path, outputs: Sequence[str]) -> Run:
    """Convert by way of PyTorch, since coremltools does not read ONNX."""
    import coremltools
    import torch
    from onnx2torch import convert

    module = convert(path).eval()

    def run(inputs: Arrays) -> Arrays:
        tensors = [torch.tensor(array) for array in inputs.values()]
        traced = torch.jit.trace(module, tensors)
        types = [coremltools.TensorType(name=name, shape=array.shape) for name, array in inputs.items()]
        named = [coremltools.TensorType(name=name) for name in outputs]
        coremltools.convert(traced, inputs=types, outputs=named, compute_precision=coremltools.precision.FLOAT32)
        raise ConvertsOnly("Core ML runs on macOS only")

    return run


def _jaxonnxruntime(path: Path, outputs: Sequence[str]) -> Run:
    import onnx
    from jaxonnxruntime import call_onnx

    def run(inputs: Arrays) -> Arrays:
        function, weights = call_onnx.call_onnx_model(onnx.load(path), inputs)
        return dict(zip(outputs, map(np.asarray, function(weights, inputs)), strict=True))

    return run


def _tinygrad(path: Path, outputs: Sequence[str]) -> Run:
    """Create one runner per batch size, as tinygrad requires."""
    from tinygrad import Tensor
    from tinygrad.nn.onnx import OnnxRunner

    def run(inputs: Arrays) -> Arrays:
        results = OnnxRunner(path)({name: Tensor(array) for name, array in inputs.items()})
        return {name: results[name].numpy() for name in outputs}

    return run


def _onnx2tf(path: Path, outputs: Sequence[str]) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    converted = path.with_name(f"{path.stem}_float32.tflite")

    def run(item: Arrays) -> Arrays:
        if not converted.exists():
            run_tool("onnx2tf", "-n", "-i", path, "-o", path.parent, "-b", 1, "-kat", *item, folder=path.parent)
        interpreter = Interpreter(model_path=str(converted))
        interpreter.allocate_tensors()
        for detail, array in zip(interpreter.get_input_details(), item.values(), strict=True):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
        details = interpreter.get_output_details()
        return {n: interpreter.get_tensor(d["index"]) for n, d in zip(outputs, details, strict=True)}

    return item_by_item(run)


def _named(outputs: Sequence[str], results: Any) -> Iterable[tuple[str, Any]]:
    """Pair names and results; some runtimes return a single result without a list."""
    return zip(outputs, [results] if len(outputs) == 1 else results, strict=True)


RUNTIMES: Mapping[str, Runtime] = {
    "onnxruntime": _onnxruntime,
    "ort": _ort_file,
    "litert": _litert,
    "onnx": _reference,
    "onnxruntime-node": javascript("onnxruntime-node"),
    "onnxruntime-web": javascript("onnxruntime-web"),
    "openvino": _openvino,
    "ovc": _ovc,
    "opencv-python-headless": _opencv,
    "tract": _tract,
    "apache-tvm": _tvm,
    "iree-base-compiler": _iree,
    "MNN": _mnn,
    "onnx2torch": _onnx2torch,
    "tinygrad": _tinygrad,
    "onnx2tf": _onnx2tf,
    "ncnn": _ncnn,
    "jaxonnxruntime": _jaxonnxruntime,
    "coremltools": _coremltools,
}
# Titles of rows and packages, where they are not the runtime's name.
TITLES = {
    "ort": "onnxruntime, files of `--also ort`",
    "litert": "LiteRT, files of `--also tflite`",
    "onnx": "onnx, its reference evaluator",
    "onnxruntime-web": "onnxruntime-web, WebAssembly in Node.js",
    "ovc": "openvino, files of `ovc`",
    "onnx2tf": "onnx2tf, for LiteRT",
    "ncnn": "ncnn, through pnnx",
    "coremltools": "coremltools, through onnx2torch",
}
# Runtimes without uint8: they compute the encoder that takes float pixels.
FLOAT_PIXELS = {"ncnn"}
PACKAGES = {"ort": "onnxruntime", "litert": "ai-edge-litert", "ovc": "openvino"}
