"""Profile a graph node by node in ONNX Runtime, on one thread."""

import dataclasses
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ._table import markdown_table


@dataclasses.dataclass(frozen=True)
class NodeTime:
    """A node of the optimised graph and its median time over the calls."""

    operator: str
    name: str
    microseconds: float  # per item of the batch


def profile(graph: bytes, arrays: Mapping[str, np.ndarray], calls: int) -> list[NodeTime]:
    """Run a graph on one batch: its nodes in the order of execution."""
    import onnxruntime

    batch = len(next(iter(arrays.values())))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for _ in range(calls):
            session.run(None, dict(arrays))
        events = json.loads(Path(session.end_profiling()).read_text())
    times: dict[tuple[str, str, str], list[int]] = {}
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            node = (event["args"]["node_index"], event["args"]["op_name"], event["name"].removesuffix("_kernel_time"))
            times.setdefault(node, []).append(event["dur"])
    return [
        NodeTime(operator, name, statistics.median(durations) / batch)
        for (_, operator, name), durations in times.items()
    ]


def profile_table(title: str, nodes: Sequence[NodeTime]) -> str:
    """Microseconds per image: the operators, slowest first, then the nodes in the order of execution."""
    total = sum(node.microseconds for node in nodes)
    operators: dict[str, float] = {}
    for node in nodes:
        operators[node.operator] = operators.get(node.operator, 0.0) + node.microseconds
    summed = [NodeTime(name, "all", time) for name, time in sorted(operators.items(), key=lambda item: -item[1])]
    rows = [
        [f"{n.operator}, {n.name}", f"{n.microseconds:.2f}", f"{n.microseconds / total:.0%}"] for n in (*summed, *nodes)
    ]
    return f"{title}: {total:.1f} us an image in {len(nodes)} nodes\n\n{markdown_table([['', 'us', 'share'], *rows])}"
