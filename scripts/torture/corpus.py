"""Keep the inputs with the largest fuzzing coverage in corpus.zip: python -m scripts.torture.corpus FOLDER.

FOLDER holds a folder for each reader with the findings of `scripts.torture.guided`, preferably minimized with
libFuzzer's ``-merge=1``. They replace the reader's kept inputs. The tests read every kept input.
"""

import sys
import zipfile
from pathlib import Path

from cvae_runtime._system.atomic import new_file

CORPUS = Path(__file__).with_name("corpus.zip")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # fixed, so the same inputs give the same archive


def read_corpus(path: Path = CORPUS) -> dict[str, list[bytes]]:
    """The inputs of each reader."""
    found: dict[str, list[bytes]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            found.setdefault(name.split("/")[0], []).append(archive.read(name))
    return found


def keep(folder: Path, path: Path = CORPUS) -> None:
    """Replace the kept inputs of each reader that has a folder in ``folder``."""
    kept = read_corpus(path) if path.exists() else {}
    for reader in folder.iterdir():
        kept[reader.name] = [file.read_bytes() for file in reader.iterdir()]
    with new_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, inputs in sorted(kept.items()):
            for number, data in enumerate(sorted(inputs)):
                archive.writestr(zipfile.ZipInfo(f"{name}/{number}", _EPOCH), data, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
