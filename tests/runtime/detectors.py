"""A tiny bundle with a detector whose outputs NumPy can compute: the score is the mean of the pixels."""

import dataclasses
import json

import numpy as np
from onnx import TensorProto, helper

import cvae_runtime as cvae
import cvae_runtime.bundle

SCORES = (10.0, 20.0, 30.0, 40.0)  # of the calibration images
THRESHOLD = 40.0
MAP_THRESHOLD = 50.0


def detector_of():
    """The calibration, as in the manifest."""
    parts = (cvae.bundle.ImageSet(count, 64 * "0") for count in (10, len(SCORES)))
    return cvae.bundle.Detector("elbo", 2, 0.2, THRESHOLD, len(SCORES), SCORES, MAP_THRESHOLD, 0, *parts)


def detector_io(shape):
    height, width, _ = shape
    numbers = [("score", "float32", ("batch",)), ("p_value", "float32", ("batch",)), ("alarm", "bool", ("batch",))]
    return [("images", "uint8", ("batch", *shape))], [*numbers, ("map", "float32", ("batch", height, width))]


def detector_file(bundles, shape, factor=1.0):
    """An ONNX file: score = factor times mean; map = pixels - 100."""
    nodes = [
        helper.make_node("Cast", ["images"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "factor"], ["score"]),
        helper.make_node("Greater", ["score", "threshold"], ["alarm"]),
        helper.make_node("Unsqueeze", ["score", "one_axis"], ["column"]),
        helper.make_node("LessOrEqual", ["column", "scores"], ["at_least"]),
        helper.make_node("Cast", ["at_least"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones", "one_axis"], ["count"], keepdims=0),
        helper.make_node("Add", ["count", "one"], ["rank"]),
        helper.make_node("Div", ["rank", "size"], ["p_value"]),
        helper.make_node("ReduceMean", ["levels"], ["grey"], axes=[3], keepdims=0),
        helper.make_node("Sub", ["grey", "hundred"], ["map"]),
    ]
    constants = {"factor": factor, "threshold": THRESHOLD, "one": 1.0, "size": len(SCORES) + 1.0, "hundred": 100.0}
    return bundles.make_graph(
        nodes,
        *detector_io(shape),
        scores=np.float32(SCORES),
        one_axis=np.array([1]),
        **{name: np.float32(value) for name, value in constants.items()},
    )


def write_calibrated(bundles, folder, factor=1.0, **model):
    """Write a tiny bundle with a detector."""
    bundles.write(folder, **model)
    manifest = cvae.read_bundle(folder).manifest
    shape = manifest.model.image_shape
    data = detector_file(bundles, shape, factor)
    (folder / "detector.onnx").write_bytes(data)
    graph = bundles.graph_info(data, "detector.onnx", "detector", *detector_io(shape))
    manifest = dataclasses.replace(manifest, graphs=(*manifest.graphs, graph), detector=detector_of())
    (folder / cvae.bundle.MANIFEST_NAME).write_text(json.dumps(json.loads(manifest.to_json())))
    return folder
