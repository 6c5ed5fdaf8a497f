"""What decides the last digits of a run beside its recipe: how its batches are divided, and what computes them.

A sum's last digits depend on its order, and so on towers, threads, replicas and kinds of device. ``config.json`` records
them when a run begins, and a resumed run computes in the same way wherever it can: on fewer cores, too.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from cvae_runtime import InputError

from .._config import Precision


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a run computes.

    Attributes:
        towers: parts that a replica's share of a batch is split into.
        threads: of an operator on the CPU; 0 where TensorFlow chooses.
        precision: of the layers in a training step, "float32" or "bfloat16".
        device: "CPU" or "GPU".
        for_cpu: whether the decoder's layers take the forms that a CPU trains faster.
        replicas: devices that divide a batch.
        workers: processes that have them.
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
        """The opposite of `dataclasses.asdict`, after JSON; raises `InputError`, which says ``name``, for what it never gives."""
        plain = cls()
        for field in dataclasses.fields(cls):
            value, least = fields.get(field.name), int(field.name != "threads")
            if type(value) is not type(getattr(plain, field.name)) or (type(value) is int and value < least):
                raise InputError(
                    f"{name}: expected a compute.{field.name} as cvae-train writes it, found {value!r}; "
                    f"restore the file, or begin anew with --overwrite"
                )
        return cls(**{field.name: fields[field.name] for field in dataclasses.fields(cls)})

    def differences(self, now: "Plan") -> tuple[str, str]:
        """What of two plans differs, in words: of this one, and of the other."""
        names = [name for name, value in dataclasses.asdict(self).items() if value != getattr(now, name)]
        then, later = (", ".join(f"{name} {getattr(plan, name)}" for name in names) for plan in (self, now))
        return then, later
