"""The process and its machine: CPUs, memory, optional packages, progress, and text that is safe to print.

Examples:
    >>> from cvae_runtime import system
    >>> system.allowed_cores() >= 1
    True
"""

from ._system import (
    Processor,
    allowed_cores,
    available_memory,
    printable_values,
    processor,
    progress,
    require,
    shell_quote,
    suppress_native_stderr,
)

__all__ = [
    "Processor",
    "allowed_cores",
    "available_memory",
    "printable_values",
    "processor",
    "progress",
    "require",
    "shell_quote",
    "suppress_native_stderr",
]
