"""Compute plan of a run: how batches are divided, and on which devices.

The rounding of a sum depends on its order, and thus on towers, threads, replicas and device. ``config.json`` records
them at the start of a run. A resumed run uses the same ones if it can, even on fewer cores.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from cvae_runtime import InputError

from .._config import Precision


@dataclasses.dataclass(frozen=True)
class Plan:
    """Compute plan of a run.

    Attributes:
        towers: number of pieces that a replica's share of a batch is split into.
        threads: threads per operator on the CPU; 0 if TensorFlow chooses.
        precision: of the layers in a training step, "float32" or "bfloat16".
        device: "CPU" or "GPU".
        for_cpu: whether the decoder uses the layer variants that train faster on a CPU.
        replicas: number of devices that share a batch.
        workers: number of processes that drive the devices.
    """

    towers: int = 1
    threads: int = 0
    precision: Precision = "float32"
    device: str = "CPU"
    for_cpu: bool = False
    replicas: int = 1
    workers: int = 1

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], name: str) -> Self:
        """Convert from JSON values; ``name`` is for error messages.

        Raises:
            InputError: a field is missing, of the wrong type, or out of range.
        """
        plain = cls()
        for field in dataclasses.fields(cls):
            value, least = fields.get(field.name), int(field.name != "threads")
            if type(value) is not type(getattr(plain, field.name)) or (type(value) is int and value < least):
                raise InputError(
                    f"{name}: expected a compute.{field.name} as cvae-train writes it, found {value!r}; "
                    f"restore the file, or start again with --overwrite"
                )
        return cls(**{field.name: fields[field.name] for field in dataclasses.fields(cls)})

    def differences(self, now: "Plan") -> tuple[str, str]:
        """Describe the fields that differ: their values in this plan, and in the other."""
        names = [name for name, value in dataclasses.asdict(self).items() if value != getattr(now, name)]
        then, later = (", ".join(f"{name} {getattr(plan, name)}" for name in names) for plan in (self, now))
        return then, later
