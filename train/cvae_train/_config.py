"""What a run is: the model's shape and the recipe, as frozen data that a run's ``config.json`` repeats."""

import dataclasses
import math
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from cvae_runtime import InputError
from cvae_runtime.files import parse_json
from cvae_runtime.random import check_seed

Binarize = Literal["static", "none"]
Likelihood = Literal["bernoulli", "discretized-logistic", "discretized-logistic-mixture"]
Objective = Literal["elbo", "analytic-kl", "stl", "iwae", "dreg"]
Decay = Literal["constant", "cosine"]
Precision = Literal["auto", "float32", "bfloat16"]

KERNEL = 3
STRIDE = 2
COMPONENTS = 4  # of the mixture that a pixel and channel of "discretized-logistic-mixture" has
LIKELIHOOD_OF_LEVELS: Likelihood = "discretized-logistic-mixture"  # of grey levels and colour, in new models
BINARIZE_AT = 128  # the first grey level that static binarization turns white: 0.5 of the range
_LARGEST = sys.float_info.max  # compared with rather than isfinite, which fails on whole numbers that no float holds


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network: the one of TensorFlow's 2018 convolutional VAE notebook by default.

    Attributes:
        image_shape: (H, W, C) in pixels and channels; H and W divide by 2^len(filters). C is 1, or 3 for a likelihood
            of 256 levels.
        latent_dim: L, numbers in a latent.
        filters: channels of the encoder's convolutions, first to last; the decoder mirrors them.
        likelihood: p(x|z): "bernoulli", independent pixels given as logits; "discretized-logistic-mixture", independent
            pixels and channels of 256 levels, each a mixture of `COMPONENTS` logistic distributions (Salimans et al.,
            "PixelCNN++", 2017); "discretized-logistic", one such distribution with its location in [0, 1], the
            likelihood of earlier runs.
    """

    image_shape: tuple[int, int, int] = (28, 28, 1)
    latent_dim: int = 50
    filters: tuple[int, ...] = (32, 64)
    likelihood: Likelihood = "bernoulli"

    def __post_init__(self) -> None:
        if self.latent_dim < 1:
            raise InputError(f"latent_dim must be at least 1; found {self.latent_dim}")
        if not self.filters or min(self.filters) < 1:
            raise InputError(f"filters must be one or more positive numbers; found {self.filters}")
        if self.likelihood not in get_args(Likelihood):
            raise InputError(f"likelihood must be one of {get_args(Likelihood)}; found {self.likelihood!r}")
        if len(self.image_shape) != 3:
            raise InputError(f"image_shape must be height, width and channels; found {self.image_shape}")
        height, width, channels = self.image_shape
        if channels not in (1, 3):
            raise InputError(f"pictures must have 1 or 3 channels; found {channels}")
        if self.likelihood == "bernoulli" and channels != 1:
            raise InputError(
                f"the bernoulli likelihood is for pictures of 1 channel; found {channels}: turn them grey, or take "
                f"the likelihood {LIKELIHOOD_OF_LEVELS} with binarize none"
            )
        for name, size in (("height", height), ("width", width)):
            if not self._works(size):
                raise InputError(
                    f"an image {name} of {size} does not work with {len(self.filters)} layers of stride {STRIDE}: "
                    f"expected a multiple of {self._unit}, the nearest that work are {self._nearest(size)}; scale the "
                    f"pictures (cvae-train: --image-size), or take fewer layers"
                )

    def bits_per_dimension(self, elbo: float) -> float | None:
        """Minus an ELBO in bits per pixel and channel; None unless the likelihood is one of 8-bit pixels."""
        return -elbo / (math.prod(self.image_shape) * math.log(2.0)) if self.likelihood != "bernoulli" else None

    @property
    def base_shape(self) -> tuple[int, int]:
        """Height and width of the decoder's first feature map."""
        return self.image_shape[0] // self._unit, self.image_shape[1] // self._unit

    @property
    def _unit(self) -> int:
        return STRIDE ** len(self.filters)

    @property
    def encoded_size(self) -> int:
        """Numbers in the encoder's last feature map."""
        height, width, _ = self.image_shape
        return self._encoded(height) * self._encoded(width) * self.filters[-1]

    def _encoded(self, size: int) -> int:
        """What the valid convolutions leave of a side; 0 if one of them finds too few pixels."""
        for _ in self.filters:
            size = max(0, (size - KERNEL) // STRIDE + 1)
        return size

    def _works(self, size: int) -> bool:
        return size % self._unit == 0 and self._encoded(size) > 0

    def _nearest(self, size: int) -> str:
        # From floor(size/unit) down and from there up: the smallest that works is below 8 units at any depth.
        below = size // self._unit * self._unit
        smaller = next((n for n in range(below, 0, -self._unit) if self._works(n)), None)
        larger = next(
            n for n in range(max(below, 0) + self._unit, below + 16 * self._unit, self._unit) if self._works(n)
        )
        return f"{larger}" if smaller is None else f"{smaller} and {larger}"


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training recipe.

    Attributes:
        model: the network.
        epochs: passes over the training set.
        batch_size: images a step; an epoch's last step takes what is left.
        learning_rate: of Adam (Kingma and Ba, 2015); the highest of a schedule.
        warmup_steps: steps over which the learning rate rises from 0.
        decay: "constant", or "cosine": it falls to 0 at the run's end (Loshchilov and Hutter, "SGDR", 2017).
        clip_norm: gradients of a larger global norm are scaled down to it; None: none are.
        ema: decay a step of an exponential moving average of the weights (Polyak and Juditsky, 1992), which is what is
            measured and kept; 0: the weights themselves are.
        epsilon: Adam's, added to the root of the second moment; 1e-8 is TensorFlow 1.x's.
        seed: unsigned 64-bit number that names the run: initial weights, shuffles and noise derive from it.
        binarize: "static" asks for pixels at or above 0.5 of the range as 1, the others as 0; "none" keeps grey.
        objective: what is maximized; see `_objectives`.
        samples: k, draws of q(z|x) an image: more than 1 for "iwae" and "dreg".
        beta: weight of the KL (Higgins et al., "beta-VAE", 2017); of "elbo", "analytic-kl" and "stl".
        kl_warmup_epochs: epochs over which beta rises from 0 (Bowman et al., 2016).
        free_bits: nats below which a latent dimension's KL is not made smaller (Kingma et al., "Improved variational
            inference with inverse autoregressive flow", 2016), for each image; of "analytic-kl".
        precision: "float32", "bfloat16" for the layers of a training step (weights, losses, evaluation stay float32),
            or "auto": bfloat16 where the hardware computes in it.
        validation_fraction: part of the training images that is not trained on and measured each epoch: what settings
            are chosen by, so that the test images say something of them. 0 for data with a validation part of its own.
        patience: epochs without a better ELBO of the validation part after which training stops; the weights of the best
            epoch are kept. 0: all epochs are run, and the last is kept.
        deterministic: run TensorFlow with op determinism, so that a seed gives the same run every time.
    """

    model: ModelConfig = ModelConfig()
    epochs: int = 100
    batch_size: int = 100
    learning_rate: float = 1e-4
    epsilon: float = 1e-8
    warmup_steps: int = 0
    decay: Decay = "constant"
    clip_norm: float | None = None
    ema: float = 0.0
    objective: Objective = "elbo"
    samples: int = 1
    beta: float = 1.0
    kl_warmup_epochs: int = 0
    free_bits: float = 0.0
    precision: Precision = "float32"
    seed: int = 0
    binarize: Binarize = "static"
    validation_fraction: float = 0.0
    patience: int = 0
    deterministic: bool = True

    def __post_init__(self) -> None:
        lows = {"epochs": 1, "batch_size": 1, "samples": 1, "warmup_steps": 0, "kl_warmup_epochs": 0, "patience": 0}
        for name, low in lows.items():
            if getattr(self, name) < low:
                raise InputError(f"{name} must be at least {low}; found {getattr(self, name)}")
        positive = ("learning_rate", "epsilon", "beta", *(("clip_norm",) if self.clip_norm is not None else ()))
        for name in positive:
            value = getattr(self, name)
            if not 0.0 < value <= _LARGEST:
                raise InputError(f"{name} must be a positive number; found {value}")
        if not 0.0 <= self.free_bits <= _LARGEST:
            raise InputError(f"free_bits must be a number of at least 0; found {self.free_bits}")
        for name in ("ema", "validation_fraction"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise InputError(f"{name} must be at least 0 and below 1; found {getattr(self, name)}")
        choices = {"binarize": Binarize, "objective": Objective, "decay": Decay, "precision": Precision}
        for name, choice in choices.items():
            if getattr(self, name) not in get_args(choice):
                raise InputError(f"{name} must be one of {get_args(choice)}; found {getattr(self, name)!r}")
        if self.model.likelihood != "bernoulli" and self.binarize != "none":
            raise InputError(
                f"the likelihood {self.model.likelihood} is for pixels of 256 levels: set binarize to 'none'; "
                f"found {self.binarize!r}"
            )
        self._check_objective()
        check_seed(self.seed)

    def _check_objective(self) -> None:
        """Refuse settings that the objective would ignore."""
        weighted = self.objective in ("iwae", "dreg")
        if weighted and (self.beta != 1.0 or self.kl_warmup_epochs):
            raise InputError(f"beta and kl_warmup_epochs are not for {self.objective}, which has no KL; leave them out")
        if not weighted and self.samples != 1:
            raise InputError(f"samples is for iwae and dreg; {self.objective} takes 1, found {self.samples}")
        if self.free_bits and self.objective != "analytic-kl":
            raise InputError(f"free_bits is for analytic-kl; found the objective {self.objective}")

    @property
    def binarize_at(self) -> int | None:
        """The first grey level, 0 to 255, that counts as 1; None when grey values stay."""
        return BINARIZE_AT if self.binarize == "static" else None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, the form of ``config.json``."""
        fields = dataclasses.asdict(self)
        fields["model"]["image_shape"] = list(self.model.image_shape)
        fields["model"]["filters"] = list(self.model.filters)
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], source: str) -> "TrainConfig":
        """The opposite of `to_json`; a field that is not there has its default, and ``source`` is what errors call it.

        Raises:
            InputError: a field is unknown, of the wrong type, or out of range.
        """
        _check_types(fields, cls().to_json(), source, "")
        model = dict(fields.get("model", {}))
        model.update({name: tuple(model[name]) for name in ("image_shape", "filters") if name in model})
        try:
            return cls(**{**fields, "model": ModelConfig(**model)})
        except InputError as error:
            raise InputError(f"{source}: {error}") from error


def _check_types(fields: Mapping[str, Any], examples: Mapping[str, Any], source: str, prefix: str) -> None:
    """Raise `InputError` unless every field is known and of its example's type; an example of None is a number's."""
    for name, value in fields.items():
        if name not in examples:
            known = ", ".join(examples)
            raise InputError(f"{source}: unknown field {prefix}{name}; this version knows {known}")
        example = examples[name]
        if isinstance(example, dict) and isinstance(value, Mapping):
            _check_types(value, example, source, f"{prefix}{name}.")
        elif not _is_like(value, example):
            kind = "a number" if example is None else f"a value like {example!r}"
            raise InputError(f"{source}: {prefix}{name}: expected {kind}, found {value!r}")


def _is_like(value: Any, example: Any) -> bool:
    if isinstance(example, list):
        return isinstance(value, list) and all(_is_like(item, example[0]) for item in value)
    if example is None:
        return value is None or _is_like(value, 0.0)
    if isinstance(example, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(example)


def read_config(path: Path) -> TrainConfig:
    """Read a recipe: TOML with `TrainConfig`'s fields and a table ``[model]``, or the ``config.json`` of any run.

    Raises:
        InputError: it cannot be read, or a field is unknown or wrong; fields that are left out have their defaults.
    """
    try:
        text = path.read_text()
        fields = tomllib.loads(text) if path.suffix == ".toml" else parse_json(text)
    except (OSError, RecursionError, ValueError) as error:
        raise InputError(f"{path}: expected a recipe as .toml, or a run's config.json: {error}") from error
    if path.suffix != ".toml" and isinstance(fields, dict):
        fields = fields.get("config", fields)
    if not isinstance(fields, dict):
        raise InputError(f"{path}: expected an object of settings, found {type(fields).__name__}")
    return TrainConfig.from_json(fields, str(path))


# Recipes by name. A preset is plain data: `dataclasses.replace` changes what a command line changes.
PRESETS: Mapping[str, TrainConfig] = {
    "notebook": TrainConfig(),
    # Seventy times the notebook's learning rate, which warm-up and clipping make safe and the decay makes precise.
    "fast": TrainConfig(
        epochs=18,
        learning_rate=7e-3,
        warmup_steps=200,
        decay="cosine",
        clip_norm=100.0,
        objective="analytic-kl",
        precision="auto",
    ),
    # As far as the default network goes in an hour on two cores.
    "best": TrainConfig(
        epochs=450,
        learning_rate=4e-3,
        warmup_steps=200,
        decay="cosine",
        clip_norm=100.0,
        objective="stl",
        precision="auto",
    ),
}
