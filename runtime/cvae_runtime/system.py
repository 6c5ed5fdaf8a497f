"""The process and its machine: CPUs, memory, optional packages, and text that is safe to print."""

from ._system import allowed_cores, available_memory, printable_values, require, shell_quote

__all__ = ["allowed_cores", "available_memory", "printable_values", "require", "shell_quote"]
