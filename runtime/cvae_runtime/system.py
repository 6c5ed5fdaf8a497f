"""What this machine gives a process: CPUs, memory, optional packages; texts that are safe to print."""

from ._system import allowed_cores, available_memory, printable_values, require

__all__ = ["allowed_cores", "available_memory", "printable_values", "require"]
