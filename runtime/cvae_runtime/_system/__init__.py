"""The operating system: atomic files and folders, locks, memory, CPUs, standard streams, optional packages."""

from .atomic import new_file, refuse_existing, refuse_special, write_file
from .cpus import Processor, affinity, allowed_cores, cpu_quota, processor
from .extras import require
from .folders import make_folder, new_folder, refuse_existing_folder
from .layout import Layout, Owns, check_replaceable, owns_names, remove_temporary
from .lock import lock_directory
from .memory import available_memory, physical_memory, refuse_size
from .printable import printable_handler, printable_values, shell_quote
from .progress import progress
from .streams import (
    check_stdout,
    drop_stdout_that_fails,
    guard_streams,
    print_error,
    reader_has_gone,
    suppress_native_stderr,
)
from .strict_json import parse_json

__all__ = [
    "Layout",
    "Owns",
    "Processor",
    "affinity",
    "allowed_cores",
    "available_memory",
    "check_replaceable",
    "check_stdout",
    "cpu_quota",
    "drop_stdout_that_fails",
    "guard_streams",
    "lock_directory",
    "make_folder",
    "new_file",
    "new_folder",
    "owns_names",
    "parse_json",
    "physical_memory",
    "print_error",
    "printable_handler",
    "printable_values",
    "processor",
    "progress",
    "reader_has_gone",
    "refuse_existing",
    "refuse_existing_folder",
    "refuse_size",
    "refuse_special",
    "remove_temporary",
    "require",
    "shell_quote",
    "suppress_native_stderr",
    "write_file",
]
