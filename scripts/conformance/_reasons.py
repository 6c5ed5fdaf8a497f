"""Short reasons for failures of runtimes."""

import re

# By runtime: a pattern of the message, and the reason.
_REASONS = {
    "ort": [("No such file", "the bundle has no such file; `cvae-export --also ort` writes it")],
    "litert": [("Could not open", "the bundle has no such file; `cvae-export --also tflite` writes it")],
    "opencv-python-headless": [
        ("ReduceSum@", "it has no ReduceSum of opset 13"),
        ("Max@", "its Max has no constant operand"),
        (r"Add@.*inputs\[0\].size\(\) >= 2", "its Add has no operand with one axis"),
        ("Inconsistent shape for ConcatLayer", "it cannot join latents and labels of an open batch"),
        ("srcMat.dims == 2|in function 'total'", "it cannot read labels, an input with one axis"),
    ],
    "MNN": [("noise: expected the shape", "it adds two axes to `noise`")],
    "ncnn": [
        ("does not load", "it has no Cast, which labels need"),
        ("probs: expected the shape", "pnnx loses the axis of a sum"),
    ],
    "onnx2tf": [
        ("crashes", "LiteRT crashes on the converted file"),
        ("invalidly specified in schema", "LiteRT does not load the converted file"),
    ],
    "coremltools": [("got 0 values", "it loses the operands of a Concat")],
    "jaxonnxruntime": [("ConvTranspose is not implemented", "it has no ConvTranspose")],
}


def reason(name: str, message: str) -> str:
    """Return the reason of a known failure, or the first line of any other message."""
    for pattern, text in _REASONS.get(name, []):
        if re.search(pattern, message):
            return text
    return message.partition("\n")[0].replace("|", "/")[:120]
