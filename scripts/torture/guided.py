"""Fuzz a reader, guided by code coverage: python -m scripts.torture.guided READER CORPUS [-max_total_time=600 …].

Needs atheris, which has wheels for only some versions of Python and is no dependency: pip install atheris. CORPUS is
a folder; at the start it gets a valid file of each kind and the inputs of corpus.zip. `python -m
scripts.torture.corpus` keeps the findings. The remaining arguments are options of libFuzzer. Ends with the first
defect.
"""

import shlex
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["cvae_runtime", "cvae_train", "PIL", "click", "zipfile", "gzip", "json"]):
    from ._parts import outcome_of
    from ._readers import readers
    from .corpus import read_corpus
    from .inputs import attempt


def main() -> None:
    """Read the inputs that atheris generates."""
    name, corpus, *options = sys.argv[1:]
    reader, folder = readers()[name], Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    if not any(option.startswith("-merge") for option in options):
        for number, data in enumerate((*reader.whole, *read_corpus().get(name, ()))):
            (folder / f"kept-{number}").write_bytes(data)
    with tempfile.TemporaryDirectory() as work:
        path = Path(work, reader.file)

        def read(data: bytes) -> None:
            path.write_bytes(data)
            if (outcome := outcome_of(attempt, reader, path)) not in ("read", "refused"):
                raise AssertionError(f"{name}: {outcome}")

        # To merge, libFuzzer runs itself again, in a shell, with its first argument as the program.
        atheris.Setup([f"{sys.executable} -m {__spec__.name} {shlex.quote(name)}", corpus, *options], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
