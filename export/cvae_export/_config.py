"""Options of exports and calibrations and their defaults, in a module without TensorFlow for the commands' help."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, get_args

from cvae_runtime import InputError
from cvae_runtime.bundle import Precision, Target

OPSETS = range(13, 22)
DEFAULT_OPSET = 15
ATOL = 1e-5  # for outputs up to 1; relative to the largest value of larger outputs
GOLDEN_ATOL = 10 * ATOL  # of golden vectors, since other processors and runtimes sum in another order

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
    "SumAsProduct",
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

Format = Literal["ort", "tflite"]  # of files for other programs
FORMATS: tuple[Format, ...] = get_args(Format)
MOST_BATCH = 4096

OutputKind = Literal["auto", "logits", "probs"]
OUTPUT_KINDS: tuple[OutputKind, ...] = get_args(OutputKind)
DecoderOutput = OutputKind | Range  # of an external model

Score = Literal["elbo", "reconstruction", "error", "kl", "typicality", "likelihood-ratio"]  # of a detector
SCORES: tuple[Score, ...] = get_args(Score)
FALSE_ALARMS = (0.0001, 0.5)  # the lowest and the highest rate of a detector
DRAWS, MOST_DRAWS = 8, 1000  # of the posterior for each image of a detector: by default, and at most
MOST_SEED = 2**53 - 1  # of a detector, since the manifest holds it


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
        also: formats of more files: "ort", for small builds of ONNX Runtime, and "tflite", for LiteRT.
        batch: also write every graph with this number of images as a fixed size, for accelerators that need one; it is
            also the batch of the files for LiteRT. None: no such graphs, and 1 for LiteRT.

    Raises:
        InputError: a name is unknown, or the opset or the batch out of range.

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
    also: Sequence[Format] = ()
    batch: int | None = None

    def __post_init__(self) -> None:
        for name, known in (
            ("targets", TARGETS),
            ("precisions", PRECISIONS),
            ("extras", EXTRA_ROLES),
            ("also", FORMATS),
        ):
            found = getattr(self, name)
            if unknown := [item for item in found if item not in known]:
                raise InputError(f"{name}: expected any of {', '.join(known)}; found {', '.join(map(str, unknown))}")
        if unknown := [name for name in self.passes or () if name not in PASSES]:
            raise InputError(f"passes: expected any of {', '.join(PASSES)}; found {', '.join(unknown)}")
        if self.opset not in OPSETS:
            raise InputError(f"opset: expected {OPSETS.start} to {OPSETS.stop - 1}, found {self.opset}")
        if self.batch is not None and self.batch not in range(1, MOST_BATCH + 1):
            raise InputError(f"batch: expected 1 to {MOST_BATCH}, found {self.batch}")
