"""Progress of an export on stderr: a bar on a terminal, and elsewhere a line for each step of each graph."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[str, str], None]  # takes a graph's file and the step that begins


@contextmanager
def show_progress(graphs: int, *, quiet: bool) -> Iterator[Progress]:
    """Yield a function that reports progress.

    Args:
        graphs: number of graphs.
        quiet: show nothing.
    """
    if quiet:
        yield lambda _file, _step: None
        return
    if not sys.stderr.isatty():
        yield lambda file, step: print(f"{file}: {step}", file=sys.stderr, flush=True)
        return
    seen: set[str] = set()
    with tqdm(total=graphs, unit=" graphs", leave=False, dynamic_ncols=True) as bar:

        def advance(file: str, step: str) -> None:
            bar.set_description_str(f"{file}: {step}", refresh=False)
            bar.update(len(seen - {file}) - bar.n)
            bar.refresh()
            seen.add(file)

        yield advance
