"""Record the operators of a graph that is written by hand, and put other graphs into it."""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir
from numpy.typing import NDArray

BATCH = "batch"  # name of the axis of images or latents


class Builder:
    """Recorder of operators; NumPy arrays among their inputs become initializers.

    Args:
        name: name of the graph, and prefix of the names of initializers.
        opset: of the graph.
    """

    def __init__(self, name: str, opset: int) -> None:
        self._name, self.opset = name, opset
        self._nodes: list[ir.Node] = []  # of other graphs
        self._initializers: list[ir.Value] = []
        self.tape = ir.tape.Tape()

    def __call__(
        self, operator: str, *inputs: ir.Value | NDArray[Any], **attributes: int | str | Sequence[int]
    ) -> ir.Value:
        values = [value if isinstance(value, ir.Value) else self._constant(value) for value in inputs]
        return self.tape.op(operator, values, attributes)

    def _constant(self, array: NDArray[Any]) -> ir.Value:
        return self.tape.initializer(ir.tensor(array), f"{self._name}/constant_{len(self.tape.initializers)}")

    def insert(self, proto: onnx.ModelProto, prefix: str, **inputs: ir.Value) -> dict[str, ir.Value]:
        """Put another graph into this one.

        Args:
            proto: the graph; not modified.
            prefix: of all its names, different for each graph.
            inputs: values of this graph for the inputs of the other.

        Returns:
            The outputs of the other graph, by their names there.
        """
        graph = ir.from_proto(onnx.compose.add_prefix(proto, prefix)).graph
        given = {value: inputs[str(value.name).removeprefix(prefix)] for value in graph.inputs}
        for value, replacement in given.items():
            ir.convenience.replace_all_uses_with(value, replacement)
        outputs = {str(value.name).removeprefix(prefix): given.get(value, value) for value in graph.outputs}
        nodes = list(graph)
        for node in nodes:
            for value in node.outputs:
                value.shape = None  # its batch may be another one here
        graph.outputs.clear()
        graph.remove(nodes)
        self._nodes += nodes
        self._initializers += graph.initializers.values()
        graph.initializers.clear()
        return outputs

    def model(self, inputs: Sequence[ir.Value], outputs: Mapping[str, ir.Value]) -> ir.Model:
        """Return the recorded graph, whose outputs get the given names."""
        for output, value in outputs.items():
            value.name = output
        graph = ir.Graph(
            inputs,
            list(outputs.values()),
            nodes=[*self._nodes, *self.tape.nodes],
            initializers=[*self._initializers, *self.tape.initializers],
            opset_imports={"": self.opset},
            name=self._name,
        )
        graph.sort()
        return ir.Model(
            graph, ir_version=onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", self.opset)])
        )
