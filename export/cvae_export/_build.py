"""Builds the graphs of a bundle, and keeps those that hold their budget and pay.

A portable float32 graph of every role is what a bundle is: if one is off, nothing is exported. All others are offers: one
that is off, or that is not faster than the graph it would stand in for, is left out with the reason.
"""

import dataclasses
from functools import cached_property
from typing import Any

import onnx

from ._convert import convert, finish
from ._functions import FUNCTIONS, outputs_of
from ._graph import Graph
from ._reference import Reference
from ._sampler import SAMPLER_OPSET, sampler
from ._settings import ROLES, Settings
from ._verify import BUDGETS, Comparison, check, compare, runs_of
from .passes import PORTABLE


@dataclasses.dataclass(frozen=True)
class Refused:
    """A graph that was asked for and is not written."""

    file: str
    reason: str


def build(reference: Reference, settings: Settings) -> tuple[list[Comparison], list[Refused]]:
    """All graphs that the settings ask for, compared with the model.

    Raises:
        ConversionError: the opset lacks an operator.
        ParityError: a portable float32 graph is off.
    """
    builder = _Builder(reference, settings)
    roles = (*ROLES, *dict.fromkeys(settings.extras))
    required = [builder.compare(builder.portable(role)) for role in roles]
    check(required)
    return required, []


class _Builder:
    def __init__(self, reference: Reference, settings: Settings) -> None:
        self._reference = reference
        self._settings = settings

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        info = dataclasses.asdict(self._reference.subject.info)
        return {"cvae.format": 1, **{f"cvae.{key}": value for key, value in info.items()}}

    def portable(self, role: str) -> Graph:
        """The portable float32 graph of a role."""
        return self._finish(role, self._plain(role, self._settings.opset))

    def compare(self, graph: Graph) -> Comparison:
        """A graph against the model."""
        budget = BUDGETS[graph.precision]
        if graph.precision == "float32":
            budget = dataclasses.replace(budget, atol=self._settings.atol)
        return compare(graph, runs_of(graph), self._reference.expected(graph.role), self._reference.elbos, budget)

    def _plain(self, role: str, opset: int) -> onnx.ModelProto:
        subject = self._reference.subject
        if role == "sampler":
            decoder = self._plain("decoder", max(opset, SAMPLER_OPSET))
            return sampler(decoder, subject.info.latent_dim)
        return convert(FUNCTIONS[role](subject), opset)

    def _finish(self, role: str, proto: onnx.ModelProto) -> Graph:
        outputs = outputs_of(role, self._reference.subject)
        data, applied = finish(proto, PORTABLE, outputs, {**self._metadata, "cvae.role": role})
        return Graph(role, "portable", "float32", data, applied)
