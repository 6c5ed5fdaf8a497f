"""Helpers for rewrites: a base class, a writer of nodes, constants, chains of element-wise operators."""

import abc
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

_log = logging.getLogger("cvae_export")

# Element-wise operators: they commute with operators that only move elements.
ELEMENTWISE = {"Clip", "Elu", "HardSigmoid", "LeakyRelu", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh"}


class NodeRewrite(ir.passes.InPlacePass):
    """Base class of passes that check and rewrite single nodes of given operators."""

    op_type: str | tuple[str, ...]

    @abc.abstractmethod
    def check(self, node: ir.Node) -> str | None:
        """Return why the rewrite does not apply to a node, or None if it does."""

    @abc.abstractmethod
    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        """Rewrite a node for which `check` returned None."""

    @property
    def _operators(self) -> tuple[str, ...]:
        return (self.op_type,) if isinstance(self.op_type, str) else self.op_type

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.graph is None or node.op_type not in self._operators or node.domain != "":
                continue  # removed, or another operator
            if reason := self.check(node):
                _log.info("%s leaves %s as it is: %s", type(self).__name__, node.name or node.op_type, reason)
                continue
            self.rewrite(model.graph, node)
            modified = True
        return ir.passes.PassResult(model, modified=modified)


class Writer:
    """Writer of new nodes after a node, in the order of the calls.

    Args:
        graph: the graph to write to.
        at: the node.
    """

    def __init__(self, graph: ir.Graph, at: ir.Node) -> None:
        self._graph = graph
        self._at = at
        self._stem = at.outputs[0].name
        self._insert: Callable[[ir.Node], None] = self._insert_behind

    @classmethod
    def before(cls, graph: ir.Graph, node: ir.Node) -> "Writer":
        """Return a writer of nodes before a node."""
        writer = cls(graph, node)
        writer._insert = lambda new: graph.insert_before(node, new)
        return writer

    def __call__(self, op_type: str, *inputs: ir.Value | NDArray[np.generic] | None, **attributes: object) -> ir.Value:
        """Add a node and return its only output; arrays become initializers."""
        values = [self.constant(value) if isinstance(value, np.ndarray) else value for value in inputs]
        node = ir.node(op_type, values, attributes)  # type: ignore[arg-type]  # ir.node converts plain values
        self._insert(node)
        node.outputs[0].name = self._free(f"{self._stem}_{op_type}")
        return node.outputs[0]

    def constant(self, array: NDArray[np.generic]) -> ir.Value:
        """Add an initializer."""
        name = self._free(f"{self._stem}_constant")
        tensor = ir.tensor(np.array(array, order="C"), name=name)
        value = ir.Value(name=name, const_value=tensor, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype))
        self._graph.register_initializer(value)
        return value

    def copy(self, node: ir.Node, *inputs: ir.Value | NDArray[np.generic] | None, **attributes: object) -> ir.Value:
        """Add a copy of a node with other first inputs and attributes, and return its output."""
        same = {name: attribute.value for name, attribute in node.attributes.items()}
        return self(node.op_type, *inputs, *node.inputs[len(inputs) :], **{**same, **attributes})

    def _insert_behind(self, node: ir.Node) -> None:
        self._graph.insert_after(self._at, node)
        self._at = node

    def _free(self, name: str) -> str:
        taken = {value.name for node in self._graph for value in node.outputs} | set(self._graph.initializers)
        return next(full for number in range(len(taken) + 1) if (full := f"{name}_{number}") not in taken)


def replace(graph: ir.Graph, old: ir.Value, new: ir.Value, nodes: Sequence[ir.Node]) -> None:
    """Replace ``old`` by ``new`` in its users, and remove the nodes that only ``old`` needed, users first."""
    new.shape, new.type = old.shape, old.type
    if old in graph.outputs:
        old.name, new.name = f"{old.name}_before", old.name
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    graph.remove(nodes, safe=True)


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the array of a constant; None if the value is computed, a graph input or absent."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def only_user(value: ir.Value) -> ir.Node | None:
    """Return the only user of a value; None if it has several users or is a graph output."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def chain(value: ir.Value | None, *op_types: str) -> list[ir.Node] | None:
    """Return the chain of nodes behind a value, last first; None if operators differ or a node has other users."""
    nodes: list[ir.Node] = []
    for op_type in op_types:
        node = None if value is None or only_user(value) is None else value.producer()
        if node is None or node.op_type != op_type or node.domain != "":
            return None
        nodes.append(node)
        value = node.inputs[0]
    return nodes


def elementwise_users(value: ir.Value) -> Iterator[ir.Node]:
    """Yield the chain of element-wise nodes after a value, while each has no other user."""
    while (node := only_user(value)) is not None and node.op_type in ELEMENTWISE and node.inputs[0] is value:
        if any(constant(parameter) is None for parameter in node.inputs[1:] if parameter is not None):
            return
        yield node
        value = node.outputs[0]


def sizes(value: ir.Value) -> list[int] | None:
    """Return the static sizes after the batch axis, or None if one is unknown."""
    if value.shape is None or not all(isinstance(size, int) for size in value.shape[1:]):
        return None
    return [int(size) for size in value.shape[1:]]  # type: ignore[arg-type]  # checked above
