"""How far a long job is: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LINES = 20  # that a whole job prints where there is no terminal


@contextmanager
def progress(total: int, label: str, *, done: int = 0, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many more of ``total`` are done; all that is printed goes to stderr.

    Args:
        total: what there is to do.
        label: what is counted.
        done: of these, before the block.
        quiet: print nothing.
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
