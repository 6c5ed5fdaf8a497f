"""What rewrites have in common: asking each node of a kind, constants, chains of element-wise operators."""

import abc
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

_log = logging.getLogger("cvae_export")

# Operators that treat every element alike, so that they commute with whatever only moves elements.
ELEMENTWISE = {"Clip", "Elu", "HardSigmoid", "LeakyRelu", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh"}


class NodeRewrite(ir.passes.InPlacePass):
    """A pass that looks at every node of one operator, or of some, by itself."""

    op_type: str | tuple[str, ...]

    @abc.abstractmethod
    def check(self, node: ir.Node) -> str | None:
        """Why the rewrite does not apply to a node of the operator, or None if it does."""

    @abc.abstractmethod
    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        """Rewrite a node that `check` has passed."""

    @property
    def _operators(self) -> tuple[str, ...]:
        return (self.op_type,) if isinstance(self.op_type, str) else self.op_type

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.graph is None or node.op_type not in self._operators or node.domain != "":
                continue  # removed, or of another kind
            if reason := self.check(node):
                _log.info("%s leaves %s as it is: %s", type(self).__name__, node.name or node.op_type, reason)
                continue
            self.rewrite(model.graph, node)
            modified = True
        return ir.passes.PassResult(model, modified=modified)


class Writer:
    """Writes nodes behind a node, in the order of writing.

    Args:
        graph: where.
        at: the node.
    """

    def __init__(self, graph: ir.Graph, at: ir.Node) -> None:
        self._graph = graph
        self._at = at
        self._stem = at.outputs[0].name
        self._insert: Callable[[ir.Node], None] = self._insert_behind

    @classmethod
    def before(cls, graph: ir.Graph, node: ir.Node) -> "Writer":
        """One that writes in front of a node."""
        writer = cls(graph, node)
        writer._insert = lambda new: graph.insert_before(node, new)
        return writer

    def __call__(self, op_type: str, *inputs: ir.Value | NDArray[np.generic] | None, **attributes: object) -> ir.Value:
        """The single output of a new node; arrays become initializers."""
        values = [self.constant(value) if isinstance(value, np.ndarray) else value for value in inputs]
        node = ir.node(op_type, values, attributes)  # type: ignore[arg-type]  # ir.node converts plain values
        self._insert(node)
        node.outputs[0].name = self._free(f"{self._stem}_{op_type}")
        return node.outputs[0]

    def constant(self, array: NDArray[np.generic]) -> ir.Value:
        """An initializer."""
        name = self._free(f"{self._stem}_constant")
        tensor = ir.tensor(np.array(array, order="C"), name=name)
        value = ir.Value(name=name, const_value=tensor, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype))
        self._graph.register_initializer(value)
        return value

    def copy(self, node: ir.Node, *inputs: ir.Value | NDArray[np.generic] | None, **attributes: object) -> ir.Value:
        """The output of a copy of a node, with these as its first inputs, and with these attributes."""
        same = {name: attribute.value for name, attribute in node.attributes.items()}
        return self(node.op_type, *inputs, *node.inputs[len(inputs) :], **{**same, **attributes})

    def _insert_behind(self, node: ir.Node) -> None:
        self._graph.insert_after(self._at, node)
        self._at = node

    def _free(self, name: str) -> str:
        taken = {value.name for node in self._graph for value in node.outputs} | set(self._graph.initializers)
        return next(full for number in range(len(taken) + 1) if (full := f"{name}_{number}") not in taken)


def replace(graph: ir.Graph, old: ir.Value, new: ir.Value, nodes: Sequence[ir.Node]) -> None:
    """Let users of ``old`` use ``new``, and remove the nodes that were for it alone, users first."""
    new.shape, new.type = old.shape, old.type
    if old in graph.outputs:
        old.name, new.name = f"{old.name}_before", old.name
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    graph.remove(nodes, safe=True)


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """The array of a constant; None if the value is computed, given by the caller or by default, or absent."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def only_user(value: ir.Value) -> ir.Node | None:
    """The node that a value is for, if it is for one alone."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def chain(value: ir.Value | None, *op_types: str) -> list[ir.Node] | None:
    """The nodes that make a value, last first, if they are of these operators and each is for the next alone."""
    nodes: list[ir.Node] = []
    for op_type in op_types:
        node = None if value is None or only_user(value) is None else value.producer()
        if node is None or node.op_type != op_type or node.domain != "":
            return None
        nodes.append(node)
        value = node.inputs[0]
    return nodes


def elementwise_users(value: ir.Value) -> Iterator[ir.Node]:
    """The chain of element-wise nodes behind a value, as long as each is for the next alone."""
    while (node := only_user(value)) is not None and node.op_type in ELEMENTWISE and node.inputs[0] is value:
        if any(constant(parameter) is None for parameter in node.inputs[1:] if parameter is not None):
            return
        yield node
        value = node.outputs[0]


def sizes(value: ir.Value) -> list[int] | None:
    """The static sizes after the batch, or None if one is not known."""
    if value.shape is None or not all(isinstance(size, int) for size in value.shape[1:]):
        return None
    return [int(size) for size in value.shape[1:]]  # type: ignore[arg-type]  # just seen to be integers
