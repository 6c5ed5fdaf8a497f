"""Many attempts in another process, so that crashes and hangs are outcomes too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._counts import Counts
from ._processes import Limits, end, start_call

MEMORY = 4 << 30  # bytes beyond those at the start; bombs need more
_PATIENCE = 120.0  # seconds per process


def try_part(what: str, work: Callable[[str, Path], None], begin: str, size: int, folder: Path, counts: Counts) -> None:
    r"""Run ``work(begin, folder / "tried")`` in another process, and count the outcomes that it prints.

    It prints ``size`` lines such as "tried 0\\tread", in this order.
    """
    log = folder / "part"
    process = start_call(work, (begin, folder / "tried"), log, Limits(memory_bytes=MEMORY))
    code, text = end(process, _PATIENCE), log.read_text(errors="replace")
    lines = [line.split("\t", 1) for line in text.splitlines() if line.startswith("tried ")]
    for which, outcome in lines:
        if outcome in ("refused", "read"):
            counts.add(f"{what}: {outcome}")
        else:
            counts.defect(what, f"seed {begin}/{which[6:]}: {outcome}")
    if code != 0 or len(lines) != size:
        counts.defect(what, f"seed {begin}/{len(lines)}: the process ended with {code}: {text[-300:]}")


def outcome_of(function: Callable[..., str], *arguments: Any) -> str:
    """The outcome that a function returns, or its exception as an outcome."""
    try:
        return function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
