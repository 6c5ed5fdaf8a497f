"""Atomic writes of files and folders, and locks on folders."""

from ._system import (
    Layout,
    check_replaceable,
    lock_directory,
    make_folder,
    move_file,
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
    "move_file",
    "new_folder",
    "parse_json",
    "refuse_existing",
    "refuse_existing_folder",
    "refuse_special",
    "remove_temporary",
    "write_file",
]
