"""Report the progress of a long job: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LINES = 20  # lines of a whole job without a terminal


@contextmanager
def progress(total: int, label: str, *, done: int = 0, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Report progress on stderr; yield a function that takes the number of items just completed.

    Args:
        total: number of items.
        label: name of the items.
        done: items that were complete before the block.
        quiet: print nothing.

    Examples:
        >>> with system.progress(3, "images", quiet=True) as advance:
        ...     advance(3)
    """
    if quiet:
        yield lambda _more: None
    elif sys.stderr.isatty():
        import click

        with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
            bar.update(done)
            yield bar.update
    else:

        def advance(more: int) -> None:
            nonlocal done
            before, done = done, done + more
            if before * _LINES // total < done * _LINES // total:
                print(f"{label}: {done:,} of {total:,}", file=sys.stderr, flush=True)

        yield advance
