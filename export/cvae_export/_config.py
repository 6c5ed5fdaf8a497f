"""What an export may be asked for, and what it is otherwise: here, since the command line's help waits for no TensorFlow."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, get_args

from cvae_runtime import InputError
from cvae_runtime.bundle import Precision, Target

OPSETS = range(13, 22)
DEFAULT_OPSET = 15
ATOL = 1e-5  # of outputs up to 1; of larger ones relative to the largest

TARGETS: tuple[Target, ...] = get_args(Target)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
# The names of all rewrites; `passes` has them, and imports onnx.
PASSES = (
    "FoldConstants",
    "HoistTransposes",
    "BiasIntoConvolution",
    "DenseLayout",
    "SymmetricPads",
    "OutputPhases",
    "StridedOutput",
    "DenseAsGemm",
    "OutputRows",
    "ProductOutput",
)
ROLES = ("encoder", "decoder")  # that every bundle has
EXTRA_ROLES = ("reconstructor", "scorer", "sampler", "decoder_uint8", "encoder_float")  # that it may have

Range = tuple[float, float]  # what pixels 0 and 255 are

OutputKind = Literal["auto", "logits", "probs"]
OUTPUT_KINDS: tuple[OutputKind, ...] = get_args(OutputKind)
DecoderOutput = OutputKind | Range  # of a model from elsewhere


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What is exported.

    Attributes:
        targets: what graphs are shaped for; "portable" is always among them.
        precisions: of the encoder and the decoder; "float32" is always among them.
        extras: roles beside encoder and decoder.
        passes: names of the rewrites that may run; None: all, where they pay.
        opset: of the portable graphs, 13 to 21; others take what their operators need.
        atol: largest difference of outputs up to 1 from the model's; scaled by the largest value of others.
        keep_slow: write graphs too that are not faster than those they stand in for.
    """

    targets: Sequence[Target] = TARGETS
    precisions: Sequence[Precision] = ("float32",)
    extras: Sequence[str] = ()
    passes: Sequence[str] | None = None
    opset: int = DEFAULT_OPSET
    atol: float = ATOL
    keep_slow: bool = False

    def __post_init__(self) -> None:
        for name, known in (("targets", TARGETS), ("precisions", PRECISIONS), ("extras", EXTRA_ROLES)):
            found = getattr(self, name)
            if unknown := [item for item in found if item not in known]:
                raise InputError(f"{name} must be of {', '.join(known)}; found {', '.join(map(str, unknown))}")
        if unknown := [name for name in self.passes or () if name not in PASSES]:
            raise InputError(f"passes must be of {', '.join(PASSES)}; found {', '.join(unknown)}")
        if self.opset not in OPSETS:
            raise InputError(f"opset must be {OPSETS.start} to {OPSETS.stop - 1}; found {self.opset}")
