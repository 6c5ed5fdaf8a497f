"""One adapter per runtime: takes an ONNX file and its output names, returns a function from inputs to outputs by name.

Each imports its runtime when called and needs only that and NumPy. JavaScript packages are in ./node_modules.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._javascript import javascript
from ._tools import Arrays, Run, Runtime, run_tool


def _onnxruntime(path: Path, outputs: Sequence[str]) -> Run:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.add_session_config_entry("session.load_model_format", "ONNX")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: dict(zip(outputs, session.run(outputs, inputs), strict=True))


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


def _opencv(path: Path, outputs: Sequence[str]) -> Run:
    import cv2

    net = cv2.dnn.readNetFromONNX(str(path))

    def run(inputs: Arrays) -> Arrays:
        for name, array in inputs.items():
            net.setInput(array, name)
        return dict(zip(outputs, net.forward(outputs), strict=True))

    return run


def _tract(path: Path, outputs: Sequence[str]) -> Run:
    import tract

    model = tract.onnx().load(str(path)).into_model().into_runnable()
    return lambda inputs: {n: o.to_numpy() for n, o in zip(outputs, model.run([*inputs.values()]), strict=True)}


def _tvm(path: Path, outputs: Sequence[str]) -> Run:
    import onnx
    import tvm
    from tvm.relax import VirtualMachine
    from tvm.relax.frontend.onnx import from_onnx

    compiled = tvm.compile(from_onnx(onnx.load(path), keep_params_in_input=False), target="llvm")
    main = VirtualMachine(compiled, tvm.cpu())["main"]

    def run(inputs: Arrays) -> Arrays:
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

    def run(inputs: Arrays) -> Arrays:
        net = nn.load_module_from_file(str(converted), [*inputs], [*outputs])
        types = {"uint8": expr.uint8, "float32": expr.float}
        values = [expr.const(a, list(a.shape), expr.NCHW, types[a.dtype.name]) for a in inputs.values()]
        return {name: value.read().copy() for name, value in zip(outputs, net.forward(values), strict=True)}

    return run


def _ncnn(path: Path, outputs: Sequence[str]) -> Run:
    """Run one item at a time, as ncnn requires."""
    import ncnn

    net = ncnn.Net()
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = False

    def run(inputs: Arrays) -> Arrays:
        ((_, batch),) = inputs.items()
        kind = {"uint8": "u8", "float32": "f32"}[batch.dtype.name]
        run_tool(
            "pnnx", path, f"inputshape={[1, *batch.shape[1:]]}{kind}".replace(" ", ""), "fp16=0", folder=path.parent
        )
        if net.load_param(str(path.with_suffix(".ncnn.param"))) or net.load_model(str(path.with_suffix(".ncnn.bin"))):
            raise RuntimeError("ncnn does not load the output of pnnx")
        items = []
        for item in batch:
            extractor = net.create_extractor()
            extractor.input("in0", ncnn.Mat(item.astype(np.float32)))
            items.append([np.array(extractor.extract(f"out{n}")[1]) for n in range(len(outputs))])
        return {name: np.stack(part) for name, part in zip(outputs, zip(*items, strict=True), strict=True)}

    return run


def _onnx2torch(path: Path, outputs: Sequence[str]) -> Run:
    import torch
    from onnx2torch import convert

    module = convert(path).eval()

    def run(inputs: Arrays) -> Arrays:
        with torch.no_grad():
            return {n: o.numpy() for n, o in _named(outputs, module(*map(torch.tensor, inputs.values())))}

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

    def run(inputs: Arrays) -> Arrays:
        ((name, array),) = inputs.items()
        run_tool("onnx2tf", "-n", "-i", path, "-o", path.parent, "-b", len(array), "-kat", name, folder=path.parent)
        interpreter = Interpreter(model_path=str(path.with_name(f"{path.stem}_float32.tflite")))
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], array)
        interpreter.invoke()
        details = interpreter.get_output_details()
        return {n: interpreter.get_tensor(d["index"]) for n, d in zip(outputs, details, strict=True)}

    return run


def _named(outputs: Sequence[str], results: Any) -> Iterable[tuple[str, Any]]:
    """Pair names and results; some runtimes return a single result without a list."""
    return zip(outputs, [results] if len(outputs) == 1 else results, strict=True)


# By package name.
RUNTIMES: Mapping[str, Runtime] = {
    "onnxruntime": _onnxruntime,
    "onnx": _reference,
    "openvino": _openvino,
    "opencv-python-headless": _opencv,
    "tract": _tract,
    "apache-tvm": _tvm,
    "iree-base-compiler": _iree,
    "MNN": _mnn,
    "ncnn": _ncnn,
    "onnx2torch": _onnx2torch,
    "tinygrad": _tinygrad,
    "jaxonnxruntime": _jaxonnxruntime,
    "onnx2tf": _onnx2tf,
    "onnxruntime-node": javascript("onnxruntime-node"),
    "onnxruntime-web": javascript("onnxruntime-web"),
}
