"""Describe a model: in one line, and as the card that a notebook shows."""

import base64
import dataclasses
import html
from collections.abc import Callable, Mapping
from pathlib import Path

from .._bundle import GraphInfo, Manifest
from .._errors import CvaeError
from .._math import bits_per_dimension
from .._system import printable_values

_LONGEST = 200  # characters of a text of the manifest


@dataclasses.dataclass(frozen=True)
class Card:
    """The facts about a model that its ``repr`` and its card show. Texts of the bundle are untrusted.

    Attributes:
        path: the bundle's folder, whose name is the model's name.
        manifest: the bundle's manifest.
        graphs: the graph in use for each role.
        provider, threads, closed: the state of the model.
    """

    path: Path
    manifest: Manifest
    graphs: Mapping[str, GraphInfo]
    provider: str
    threads: int
    closed: bool

    def line(self) -> str:
        """Return the ``repr`` of the model."""
        info = self.manifest.model
        return (
            f"<Model {self._name}: images {info.image_shape}, {info.latent_dim} latent dimensions, "
            f"{_text(info.likelihood)}{'' if info.prior is None else ', learned prior'}"
            f"{'' if info.labels is None else f', {len(info.labels):,} classes'}; {self._engine}>"
        )

    def html(self, draw: Callable[[], bytes]) -> str:
        """Return the card as HTML: a picture, and a table of facts.

        Args:
            draw: returns the picture of the model's samples, as PNG. If it raises `CvaeError`, its message is shown.
        """
        try:
            picture = f'<img alt="samples" src="data:image/png;base64,{base64.b64encode(draw()).decode("ascii")}">'
        except CvaeError as error:
            picture = f"<p>no samples: {html.escape(_text(str(error)))}</p>"
        rows = (
            f'<tr><th style="text-align: left">{name}</th><td style="text-align: left">{html.escape(value)}</td></tr>'
            for name, value in self._facts().items()
        )
        return f"<div>{picture}<table>{''.join(rows)}</table></div>"

    def _facts(self) -> dict[str, str]:
        info, training = self.manifest.model, self.manifest.training
        cut = info.preprocessing.binarize_at
        facts = {
            "model": self._name,
            "images": f"{info.image_shape}, " + ("256 levels" if cut is None else f"binarized at {cut}"),
            "latent dimensions": str(info.latent_dim),
            "likelihood": _text(info.likelihood),
            **({} if info.prior is None else {"prior": info.prior}),
            **({} if info.labels is None else {"labels": _text(f"{len(info.labels):,}: {', '.join(info.labels)}")}),
        }
        if training is not None:
            error = "" if training.test_elbo_stderr is None else f" ± {training.test_elbo_stderr:.2f}"
            facts["trained on"] = _text(training.data)
            if training.epoch is not None and training.checkpoint is not None:
                facts["weights"] = f"epoch {training.epoch}, checkpoint {_text(training.checkpoint)}"
            given = "" if info.labels is None else " given the label"
            facts[f"test ELBO{given}"] = (
                f"{training.test_elbo:.2f}{error} nats per image, of {training.test_images:,} images"
            )
            bits = bits_per_dimension(training.test_elbo, info.likelihood, info.image_shape)
            if bits is not None:
                facts["bits per dimension"] = f"{bits:.3f}"
        return {
            **facts,
            "runs on": self._engine,
            "graphs": ", ".join(f"{graph.file} ({graph.precision})" for graph in self.graphs.values()),
        }

    @property
    def _name(self) -> str:
        return _text(self.path.absolute().name)

    @property
    def _engine(self) -> str:
        if self.closed:
            return "closed"
        return f"{self.provider}, {self.threads} thread{'' if self.threads == 1 else 's'}"


def _text(text: str) -> str:
    """Escape control characters, and cut a long text."""
    escaped: str = printable_values(text)
    return escaped if len(escaped) <= _LONGEST else f"{escaped[: _LONGEST - 3]}..."
