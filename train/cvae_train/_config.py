"""Settings of a run: the model's shape and the training recipe, as stored in ``config.json``."""

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

Binarize = Literal["static", "dynamic", "fixed", "none"]
Likelihood = Literal["bernoulli", "discretized-logistic", "discretized-logistic-mixture"]
Objective = Literal["elbo", "analytic-kl", "stl", "iwae", "dreg"]
Decay = Literal["constant", "cosine"]
Precision = Literal["auto", "float32", "bfloat16"]
Architecture = Literal["notebook", "residual", "dense"]
Prior = Literal["normal", "learned"]
Augment = Literal["none", "mirror", "mirror-flip", "dihedral"]
Optimizer = Literal["adam", "muon"]

KERNEL = 3
STRIDE = 2
COMPONENTS = 4  # mixture components per pixel and channel of "discretized-logistic-mixture"
LIKELIHOOD_OF_LEVELS: Likelihood = "discretized-logistic-mixture"  # default for 256 levels and for colour
BINARIZE_AT = 128  # lowest grey level that static binarization turns white: half of the range
BACKGROUND_RATE = 0.1  # of `TrainConfig.background`: the lowest rate that Ren et al. (2019) tried on images
BURDA_UNITS = (200, 200)  # of Burda, Grosse and Salakhutdinov's network with one stochastic layer
_RESIDUAL_FILTERS = 16  # at half of the image's side; twice as many at each lower resolution
_LARGEST = sys.float_info.max  # a comparison, because math.isfinite raises on integers too large for a float


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shape of the network; the default is TensorFlow's 2018 convolutional VAE notebook.

    Attributes:
        image_shape: (H, W, C). C is 1, or 3 with a likelihood of 256 levels. For "notebook", H and W are multiples of
            2^len(filters); "residual" pads other sides inside the network.
        latent_dim: L, the number of latent dimensions.
        filters: for "notebook", channels of the encoder's convolutions, first to last; the decoder mirrors them. For
            "residual", channels at 1/2, 1/4, ... of the image's side; for "dense", units of the hidden layers.
            `default_filters` has the defaults.
        likelihood: p(x|z) with independent pixels and channels. "bernoulli": binary pixels, given as logits.
            "discretized-logistic-mixture": 256 levels, each pixel a mixture of `COMPONENTS` logistic distributions
            (Salimans et al., "PixelCNN++", 2017). "discretized-logistic": 256 levels from a single logistic
            distribution with its location in [0, 1]; used by older runs.
        architecture: "notebook", "residual" for pictures, or "dense", the network of Burda, Grosse and Salakhutdinov
            (2016); `_model` has a module for each.
        prior: p(z): "normal" for N(0, I), or "learned" for a normalizing flow that is trained with the network;
            `_model.flow` describes it.
        labels: names of the C classes that the model is conditioned on (Sohn, Lee and Yan, 2015); empty: none. Index C
            stands for "no label".

    Examples:
        >>> cvae_train.ModelConfig(image_shape=(32, 32, 1), filters=(16, 32)).base_shape
        (8, 8)
    """

    image_shape: tuple[int, int, int] = (28, 28, 1)
    latent_dim: int = 50
    filters: tuple[int, ...] = (32, 64)
    likelihood: Likelihood = "bernoulli"
    architecture: Architecture = "notebook"
    prior: Prior = "normal"
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.latent_dim < 1:
            raise InputError(f"latent_dim must be at least 1; found {self.latent_dim}")
        if not self.filters or min(self.filters) < 1:
            raise InputError(f"filters must be one or more positive numbers; found {self.filters}")
        if self.likelihood not in get_args(Likelihood):
            raise InputError(f"likelihood must be one of {get_args(Likelihood)}; found {self.likelihood!r}")
        if self.architecture not in get_args(Architecture):
            raise InputError(f"architecture must be one of {get_args(Architecture)}; found {self.architecture!r}")
        if self.prior not in get_args(Prior):
            raise InputError(f"prior must be one of {get_args(Prior)}; found {self.prior!r}")
        if self.prior == "learned" and self.latent_dim < 2:
            raise InputError(f"a learned prior expects a latent_dim of at least 2, found {self.latent_dim}")
        names: Any = self.labels
        if isinstance(names, str) or len(names) == 1 or not all(isinstance(name, str) and name for name in names):
            raise InputError(f"labels must be the names of 2 or more classes, or empty; found {names!r:.60}")
        if len(set(names)) != len(names):
            raise InputError(f"labels must be different names; found {names!r:.60}")
        object.__setattr__(self, "labels", tuple(names))
        if len(self.image_shape) != 3:
            raise InputError(f"image_shape must be height, width and channels; found {self.image_shape}")
        height, width, channels = self.image_shape
        if channels not in (1, 3):
            raise InputError(f"images must have 1 or 3 channels; found {channels}")
        if self.likelihood == "bernoulli" and channels != 1:
            raise InputError(
                f"the bernoulli likelihood expects images of 1 channel, found {channels}; convert them to grey, or use "
                f"the likelihood {LIKELIHOOD_OF_LEVELS} with binarize none"
            )
        for name, size in (("height", height), ("width", width)):
            if self.architecture == "notebook" and not self._works(size):
                raise InputError(
                    f"the image {name} does not fit {len(self.filters)} layers of stride {STRIDE}: expected a multiple "
                    f"of {self._unit} (the nearest valid: {self._nearest(size)}), found {size}; scale the images "
                    f"(cvae-train: --image-size), or use fewer layers"
                )

    def bits_per_dimension(self, elbo: float) -> float | None:
        """Convert an ELBO to bits per pixel and channel, with the sign reversed; None for the bernoulli likelihood."""
        return -elbo / (math.prod(self.image_shape) * math.log(2.0)) if self.likelihood != "bernoulli" else None

    @property
    def base_shape(self) -> tuple[int, int]:
        """Height and width of the decoder's first feature map."""
        height, width = (-(-size // self._unit) for size in self.image_shape[:2])
        return height, width

    @property
    def label_inputs(self) -> int:
        """Length of an encoded label: C + 1, or 0 without labels."""
        return len(self.labels) + 1 if self.labels else 0

    @property
    def convolutions(self) -> tuple[int, ...]:
        """Channels of the convolutions; empty for "dense"."""
        return () if self.architecture == "dense" else self.filters

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns that images are padded with inside the network; 0 unless "residual"."""
        height, width = (-size % self._unit for size in self.image_shape[:2])
        return height, width

    @property
    def _unit(self) -> int:
        return STRIDE ** len(self.convolutions)

    @property
    def encoded_size(self) -> int:
        """Number of elements in the encoder's last feature map."""
        height, width, _ = self.image_shape
        return self._encoded(height) * self._encoded(width) * self.filters[-1]

    def _encoded(self, size: int) -> int:
        """Side length after the valid convolutions; 0 if the image is too small for them."""
        for _ in self.filters:
            size = max(0, (size - KERNEL) // STRIDE + 1)
        return size

    def _works(self, size: int) -> bool:
        return size % self._unit == 0 and self._encoded(size) > 0

    def _nearest(self, size: int) -> str:
        # Searching 16 units upwards is enough: at any depth, the smallest valid size is below 8 units.
        below = size // self._unit * self._unit
        smaller = next((n for n in range(below, 0, -self._unit) if self._works(n)), None)
        larger = next(
            n for n in range(max(below, 0) + self._unit, below + 16 * self._unit, self._unit) if self._works(n)
        )
        return f"{larger}" if smaller is None else f"{smaller} and {larger}"


def default_filters(architecture: Architecture, image_shape: tuple[int, int, int]) -> tuple[int, ...]:
    """Choose `ModelConfig.filters`; from 32 pixels on, the smallest map of a residual network has 8 to 15 rows."""
    if architecture != "residual":
        return ModelConfig.filters if architecture == "notebook" else BURDA_UNITS
    resolutions = max(2, max(image_shape[:2]).bit_length() - 4)
    return tuple(_RESIDUAL_FILTERS << n for n in range(resolutions))


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training recipe.

    Attributes:
        model: shape of the network.
        epochs: number of passes over the training set.
        batch_size: images per optimizer step; the last step of an epoch may have fewer.
        optimizer: "adam" (Kingma and Ba, 2015), or "muon" (Jordan et al., 2024), which learns pictures in fewer steps;
            `_loop.muon` describes it.
        learning_rate: of the optimizer; with a schedule, the highest.
        warmup_steps: steps over which the learning rate rises from 0.
        decay: "constant", or "cosine", which decays to 0 at the end of the run (Loshchilov and Hutter, "SGDR", 2017).
        clip_norm: global norm that gradients are clipped to; None: no clipping.
        ema: decay per step of a moving average of the weights (Polyak and Juditsky, 1992), which is evaluated and saved
            instead of the weights. 0: no average.
        epsilon: of Adam, and of Muon where it uses Adam; added to the root of the second moment; 1e-8 is TensorFlow
            1.x's.
        seed: unsigned 64-bit integer that initial weights, shuffles and noise derive from.
        binarize: "static" thresholds pixels at 0.5 of the range. "dynamic" draws each training pixel anew in every
            epoch, with its grey level as the probability of white; test and validation images are drawn once, from a
            fixed seed. "fixed" takes images that others have binarized. "none" keeps grey values. The four are
            different data sets: their ELBOs cannot be compared.
        background: replace each pixel and channel of the training images with this probability by a level that is drawn
            uniformly, anew in every epoch: 0 or 255 if pixels are binarized, otherwise 0 to 255. The result is a
            background model for the likelihood ratio of Ren et al. ("Likelihood ratios for out-of-distribution
            detection", 2019). Validation and test images stay as they are. 0: an ordinary model.
        augment: transform each training image at random, differently in every epoch: "mirror": left to right;
            "mirror-flip": also upside down; "dihedral": also by quarter turns, for square images. Validation and test
            images stay as they are.
        objective: objective to maximize; `_model.objectives` defines them.
        samples: k, draws of q(z|x) per image; must be 1 except for "iwae" and "dreg".
        beta: weight of the KL (Higgins et al., "beta-VAE", 2017), for "elbo", "analytic-kl" and "stl".
        kl_warmup_epochs: epochs over which beta rises from 0 (Bowman et al., 2016).
        free_bits: nats per image and latent dimension below which the KL is not reduced (Kingma et al., "Improved
            variational inference with inverse autoregressive flow", 2016), for "analytic-kl".
        label_dropout: fraction of the training images whose label is left out, so that the model also works without
            labels. Without labels in the model, it has no effect.
        precision: of the layers in a training step: "float32", "bfloat16", or "auto", which means bfloat16 if the
            hardware supports it. Weights, losses and evaluation are always float32.
        validation_fraction: fraction of the training images to hold out and evaluate after each epoch. Choose settings
            by this ELBO, so that the test ELBO stays unbiased. 0 for data with its own validation set.
        patience: number of epochs without a better validation ELBO after which training stops. The run keeps the
            weights of the best epoch. 0: run all epochs and keep the last.
        deterministic: run TensorFlow with op determinism, so that the seed determines the run.

    Examples:
        >>> cvae_train.TrainConfig(epochs=5, binarize="static").binarize_at
        128
    """

    model: ModelConfig = ModelConfig()
    epochs: int = 100
    batch_size: int = 100
    optimizer: Optimizer = "adam"
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
    label_dropout: float = 0.1
    precision: Precision = "float32"
    seed: int = 0
    binarize: Binarize = "static"
    background: float = 0.0
    augment: Augment = "none"
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
        for name in ("ema", "validation_fraction", "label_dropout", "background"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise InputError(f"{name} must be at least 0 and below 1; found {getattr(self, name)}")
        choices = {
            "augment": Augment,
            "binarize": Binarize,
            "objective": Objective,
            "decay": Decay,
            "optimizer": Optimizer,
            "precision": Precision,
        }
        for name, choice in choices.items():
            if getattr(self, name) not in get_args(choice):
                raise InputError(f"{name} must be one of {get_args(choice)}; found {getattr(self, name)!r}")
        if self.model.likelihood != "bernoulli" and self.binarize != "none":
            raise InputError(
                f"the likelihood {self.model.likelihood} expects pixels of 256 levels, found binarize "
                f"{self.binarize!r}; set it to 'none'"
            )
        height, width, _ = self.model.image_shape
        if self.augment == "dihedral" and height != width:
            raise InputError(
                f"augment dihedral expects square images, found {width}x{height} pixels; set it to 'mirror-flip'"
            )
        self._check_objective()
        check_seed(self.seed)

    def _check_objective(self) -> None:
        """Raise `InputError` for settings that the objective ignores."""
        weighted = self.objective in ("iwae", "dreg")
        if weighted and (self.beta != 1.0 or self.kl_warmup_epochs):
            raise InputError(
                f"beta and kl_warmup_epochs have no effect on {self.objective}, which has no KL; leave them out"
            )
        if not weighted and self.samples != 1:
            raise InputError(
                f"samples must be 1 for {self.objective}; found {self.samples}. Only iwae and dreg take more"
            )
        if self.free_bits and self.objective != "analytic-kl":
            raise InputError(f"free_bits expects the objective analytic-kl, found {self.objective}; leave it out")
        if self.free_bits and self.model.prior == "learned":
            raise InputError(
                "free_bits expects the prior normal, found learned, which has no KL per dimension; leave it out"
            )

    @property
    def binarize_at(self) -> int | None:
        """Lowest grey level, 0 to 255, that becomes 1; None without binarization."""
        return None if self.binarize == "none" else BINARIZE_AT

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON values, as in ``config.json``."""
        fields = dataclasses.asdict(self)
        fields["model"]["image_shape"] = list(self.model.image_shape)
        fields["model"]["filters"] = list(self.model.filters)
        fields["model"]["labels"] = list(self.model.labels)
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], source: str) -> "TrainConfig":
        """Convert from `to_json`'s values; missing fields take their defaults, and errors start with ``source``.

        Raises:
            InputError: a field is unknown, of the wrong type, or out of range.
        """
        _check_types(fields, cls().to_json(), source, "")
        model = dict(fields.get("model", {}))
        model.update({name: tuple(model[name]) for name in ("image_shape", "filters", "labels") if name in model})
        try:
            return cls(**{**fields, "model": ModelConfig(**model)})
        except InputError as error:
            raise InputError(f"{source}: {error}") from error


def _check_types(fields: Mapping[str, Any], examples: Mapping[str, Any], source: str, prefix: str) -> None:
    """Raise `InputError` unless every field is known and has its example's type; None stands for an optional number."""
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
        return isinstance(value, list) and all(_is_like(item, example[0] if example else "") for item in value)
    if example is None:
        return value is None or _is_like(value, 0.0)
    if isinstance(example, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(example)


def read_config(path: Path) -> TrainConfig:
    """Read a recipe: TOML with `TrainConfig`'s fields and a table ``[model]``, or a run's ``config.json``.

    Raises:
        InputError: the file cannot be read, or a field is unknown or wrong. Missing fields take their defaults.

    Examples:
        >>> _ = Path("recipe.toml").write_text("epochs = 5")
        >>> cvae_train.read_config(Path("recipe.toml")).epochs
        5
    """
    try:
        text = path.read_text()
        fields = tomllib.loads(text) if path.suffix == ".toml" else parse_json(text)
    except (OSError, RecursionError, ValueError) as error:
        raise InputError(
            f"{path}: expected a recipe as .toml, or a run's config.json, found a file that cannot be read: {error}"
        ) from error
    if path.suffix != ".toml" and isinstance(fields, dict):
        fields = fields.get("config", fields)
    if not isinstance(fields, dict):
        raise InputError(f"{path}: expected an object of settings, found {type(fields).__name__}")
    return TrainConfig.from_json(fields, str(path))


PRESETS: Mapping[str, TrainConfig] = {
    "notebook": TrainConfig(),
    # 70 times the notebook's learning rate: warm-up and clipping keep it stable, and the decay makes it precise.
    "fast": TrainConfig(
        epochs=18,
        learning_rate=7e-3,
        warmup_steps=200,
        decay="cosine",
        clip_norm=100.0,
        objective="analytic-kl",
        precision="auto",
    ),
    # The packaged model's, with labels: a residual network with a learned prior.
    "best": TrainConfig(
        model=ModelConfig(latent_dim=40, filters=(32, 48), architecture="residual", prior="learned"),
        epochs=60,
        batch_size=100,
        optimizer="muon",
        learning_rate=4e-3,
        epsilon=1e-8,
        warmup_steps=1000,
        decay="cosine",
        clip_norm=100.0,
        objective="stl",
        label_dropout=0.2,
        precision="auto",
    ),
}
"""Recipes by name. `dataclasses.replace` changes settings of one.

Examples:
    >>> cvae_train.PRESETS["fast"].epochs
    18
"""
