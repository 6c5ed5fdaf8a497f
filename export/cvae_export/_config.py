"""Options of an export and their defaults, in a module without TensorFlow for the command line's help."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, get_args

from cvae_runtime import InputError
from cvae_runtime.bundle import Precision, Target

OPSETS = range(13, 22)
DEFAULT_OPSET = 15
ATOL = 1e-5  # for outputs up to 1; relative to the largest value of larger outputs

TARGETS: tuple[Target, ...] = get_args(Target)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
# The names of the rewrites in `passes`, which imports onnx.
PASSES = (
    "FoldConstants",
    "HoistTransposes",
    "ThresholdAsRelus",
    "BiasIntoConvolution",
    "DenseLayout",
    "ExplicitSplits",
    "SymmetricPads",
    "OutputPhases",
    "StridedOutput",
    "DenseAsGemm",
    "OutputRows",
    "ProductOutput",
)
ROLES = ("encoder", "decoder")  # in every bundle
ROLES_OF_PRIOR = ("prior", "prior_density")  # in every bundle with a learned prior
EXTRA_ROLES = ("reconstructor", "scorer", "sampler", "decoder_uint8", "encoder_float")  # optional

Range = tuple[float, float]  # the values of pixels 0 and 255

OutputKind = Literal["auto", "logits", "probs"]
OUTPUT_KINDS: tuple[OutputKind, ...] = get_args(OutputKind)
DecoderOutput = OutputKind | Range  # of an external model


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Configuration of an export: which graphs to write.

    Attributes:
        targets: runtimes to optimize graphs for; "portable" graphs are always written.
        precisions: of the encoder and the decoder; "float32" graphs are always written.
        extras: roles to write besides encoder and decoder.
        passes: names of the rewrites that may run; None: all that make a graph faster.
        opset: of the portable graphs, 13 to 21; other graphs use at least the opset that their operators need.
        atol: largest difference from the model's outputs, for outputs up to 1; scaled by the largest value of larger
            outputs.
        keep_slow: also write graphs that are not faster than the graphs that they replace.

    Raises:
        InputError: a name is unknown or the opset out of range.

    Examples:
        >>> config = cvae_export.ExportConfig(precisions=("float32", "int8"), extras=("scorer",))
        >>> config.targets
        ('portable', 'cpu')
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
                raise InputError(f"{name}: expected any of {', '.join(known)}; found {', '.join(map(str, unknown))}")
        if unknown := [name for name in self.passes or () if name not in PASSES]:
            raise InputError(f"passes: expected any of {', '.join(PASSES)}; found {', '.join(unknown)}")
        if self.opset not in OPSETS:
            raise InputError(f"opset: expected {OPSETS.start} to {OPSETS.stop - 1}, found {self.opset}")
