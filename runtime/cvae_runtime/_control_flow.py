"""Finds control flow in an ONNX file, without the onnx package: nodes with graphs of their own, and functions.

A bundle's graphs are plain. A loop could run for ever; of functions that call functions ONNX Runtime copies each call into
the graph, which takes for ever where each calls another twice, and overflows its stack where some thousands call in a row.
"""

from collections.abc import Iterator

from ._errors import BundleError
from ._external_data import fields

# Fields of the messages of onnx.proto that lead to a node's attributes, and what must not be found there.
_GRAPH, _FUNCTIONS = 7, 25  # of ModelProto
_NODE, _ATTRIBUTE = 1, 5  # of GraphProto and NodeProto
_SUBGRAPHS = {6, 11}  # of AttributeProto


def refuse_control_flow(model: bytes, source: str) -> None:
    """Raise `BundleError` if the ONNX file ``model``, which `refuse_external_data` has passed, is not a plain graph."""
    whole = memoryview(model)
    found = "functions" if any(field == _FUNCTIONS for field, _ in fields(whole)) else ""
    for graph in _messages(whole, _GRAPH):
        for node in _messages(graph, _NODE):
            for attribute in _messages(node, _ATTRIBUTE):
                if any(field in _SUBGRAPHS for field, _ in fields(attribute)):
                    found = "a node with a graph of its own"
    if found:
        raise BundleError(f"{source}: expected a plain graph without control flow, found {found}; export it without")


def _messages(message: memoryview, number: int) -> Iterator[memoryview]:
    return (value for field, value in fields(message) if field == number and isinstance(value, memoryview))
