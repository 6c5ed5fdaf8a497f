"""The table of `runtimes`: a row for each runtime, and the versions of each."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from ._table import markdown_table
from .embedded._agreement import Agreement


@dataclasses.dataclass(frozen=True)
class Row:
    """The figures of a runtime.

    Attributes:
        name: name of the runtime.
        agreement: differences from the golden vectors, as shares of an output's largest value.
        threads, about: see `embedded._program.Program`.
        cold: seconds of each start.
        rates: batch size -> images per second in each round.
        size: size in bytes.
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
        """The largest difference over all outputs."""
        return max(value for outputs in self.agreement.differences.values() for value in outputs.values())


def report(rows: Sequence[Row], missing: Mapping[str, str]) -> str:
    """A table with a row for each runtime, then the versions of each and why others are missing."""
    batches = list(dict.fromkeys(batch for row in rows for batch in row.rates))
    table = [["", "largest difference", "latents", "threads", "cold start", *(f"batch {b}" for b in batches), "size"]]
    notes = []
    for row in rows:
        table.append(
            [
                row.name,
                f"{row.difference:.1e}",
                "-" if row.agreement.ulp is None else f"{row.agreement.ulp} ulp",
                row.threads,
                f"{1e3 * statistics.median(row.cold):,.0f} ms" if row.cold else "-",
                *(f"{statistics.median(row.rates[b]):,.0f}/s" if row.rates.get(b) else "-" for b in batches),
                f"{row.size / 1e6:,.1f} MB",
            ]
        )
        notes.append(f"- {row.name}: {row.about}; compared {', '.join(row.agreement.differences)}")
        notes += [f"  - not {file}: {reason}" for file, reason in row.agreement.not_run.items()]
    notes += [f"- {name}: {reason}" for name, reason in missing.items()]
    return "\n".join([markdown_table(table), "", *notes])
