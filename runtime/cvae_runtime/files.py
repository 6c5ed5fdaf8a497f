"""Atomic writes of files and folders, and locks on folders.

Examples:
    >>> from cvae_runtime import files
    >>> from pathlib import Path
    >>> with files.new_folder(Path("results")) as folder:  # it appears when the block ends
    ...     files.write_file(folder / "a.txt", b"text")
    >>> Path("results/a.txt").read_text()
    'text'
"""

from ._system import (
    Layout,
    check_replaceable,
    lock_directory,
    make_folder,
    new_folder,
    parse_json,
    refuse_existing,
    refuse_existing_folder,
    refuse_special,
    remove_temporary,
    write_file,
)

__all__ = [
    "Layout",
    "check_replaceable",
    "lock_directory",
    "make_folder",
    "new_folder",
    "parse_json",
    "refuse_existing",
    "refuse_existing_folder",
    "refuse_special",
    "remove_temporary",
    "write_file",
]
