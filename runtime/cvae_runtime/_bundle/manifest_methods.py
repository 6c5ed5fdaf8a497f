"""Methods of the manifest's types, which ``manifest_types.py`` inherits: that file is generated."""

import json
from collections.abc import Mapping
from typing import Any

from .convert import to_json

FORMATS = (1, 2)

# The decoder's outputs for each known likelihood: float32 [batch, H, W, C] each; a mixture's parameters are
# [batch, H, W, C, K].
LIKELIHOOD_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "bernoulli": ("probs",),
    "discretized-logistic": ("probs", "log_scale"),
    "discretized-logistic-mixture": ("probs", "location", "log_scale", "mixture_logits"),
}


class DescribesGraphs:
    """Adds `decoder_outputs` and `roles` to a model's description."""

    likelihood: str
    prior: str | None

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the graphs that a runtime needs for all its functions."""
        return ("encoder", "decoder") if self.prior is None else ("encoder", "decoder", "prior", "prior_density")

    @property
    def decoder_outputs(self) -> tuple[str, ...]:
        """Names of the decoder's outputs that the likelihood needs; ("probs",) for an unknown likelihood."""
        return LIKELIHOOD_OUTPUTS.get(self.likelihood, ("probs",))


class WritesJson:
    """Adds `format` and `to_json` to a manifest."""

    model: Any

    @property
    def format(self) -> int:
        """Version of the format: 2 if a reader of format 1 would ignore a learned prior or labels, otherwise 1."""
        return 1 if self.model.prior is None and self.model.labels is None else 2

    def to_json(self) -> str:
        """Return the text of ``manifest.json``."""
        return json.dumps({"format": self.format, **to_json(self)}, indent=2, allow_nan=False) + "\n"
