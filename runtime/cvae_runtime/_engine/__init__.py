"""Sessions for a bundle's graphs: execution providers, threads, micro-batches, GPU memory and the self-check."""

from .cpu import Engine
from .micro_batch import micro_batch_of
from .open import open_engines
from .plugins import plugin_package
from .providers import PROVIDERS, REMEDIES, Provider, check_provider, open_session
from .receipt import distribution_version, make_receipt, versions, write_receipt
from .scheduler import Scheduler
from .self_check import GoldenResult, check_golden
from .telemetry import disable_telemetry

__all__ = [
    "PROVIDERS",
    "REMEDIES",
    "Engine",
    "GoldenResult",
    "Provider",
    "Scheduler",
    "check_golden",
    "check_provider",
    "disable_telemetry",
    "distribution_version",
    "make_receipt",
    "micro_batch_of",
    "open_engines",
    "open_session",
    "plugin_package",
    "versions",
    "write_receipt",
]
