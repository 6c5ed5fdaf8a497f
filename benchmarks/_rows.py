"""The report of `runtimes`: a row a runtime, and what each is."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from .embedded._agreement import Agreement

_NAME = 20


@dataclasses.dataclass(frozen=True)
class Row:
    """What is known of a runtime.

    Attributes:
        name: of the runtime.
        agreement: with the golden vectors; differences as shares of an output's largest value.
        threads, about: see `embedded._program.Program`.
        cold: seconds of each start.
        rates: batch size -> images a second, of each round.
        size: bytes.
    """

    name: str
    agreement: Agreement
    threads: str
    about: str
    cold: Sequence[float]
    rates: Mapping[int, Sequence[float]]
    size: int

    @property
    def difference(self) -> float:
        """The largest of all outputs."""
        return max(value for outputs in self.agreement.differences.values() for value in outputs.values())


def report(rows: Sequence[Row], missing: Mapping[str, str]) -> str:
    """The rows as lines of text, then what each is, and why others are missing."""
    batches = list(dict.fromkeys(batch for row in rows for batch in row.rates))
    columns = ["largest difference", "latents", "threads", "cold start", *(f"batch {b}" for b in batches), "size"]
    lines = [f"{'':{_NAME}}" + "".join(f"{column:>{_width(column)}}" for column in columns)]
    for row in rows:
        cells = [
            f"{row.difference:.1e}",
            "-" if row.agreement.ulp is None else f"{row.agreement.ulp} ulp",
            row.threads,
            f"{1e3 * statistics.median(row.cold):,.0f} ms" if row.cold else "-",
            *(f"{statistics.median(row.rates[b]):,.0f}/s" if row.rates.get(b) else "-" for b in batches),
            f"{row.size / 1e6:,.1f} MB",
        ]
        pairs = zip(cells, columns, strict=True)
        lines.append(f"{row.name:{_NAME}}" + "".join(f"{cell:>{_width(column)}}" for cell, column in pairs))
    lines += [f"{name:{_NAME}}{reason}" for name, reason in missing.items()]
    lines.append("")
    for row in rows:
        lines.append(f"{row.name}: {row.about}; compared {', '.join(row.agreement.differences)}")
        lines += [f"  not {file}: {reason}" for file, reason in row.agreement.not_run.items()]
    return "\n".join(lines)


def _width(column: str) -> int:
    return max(11, len(column) + 2)
