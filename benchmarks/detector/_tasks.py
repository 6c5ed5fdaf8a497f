"""The tasks, the recipe of their trainings, and published figures.

The recipe was chosen before any outlier was scored:

- The preset is `fast`, since it trains the 2018 notebook's network on images of this size in minutes.
- The likelihood is Bernoulli, and grey levels stay as they are. Thresholds would erase dark garments.
- A tenth of the training images is for validation. Few images of one class are soon overfitted, and the run keeps the
  epoch with the best validation ELBO.

They differ in the number of epochs, since one class has a tenth of the images. Two tasks have the recipe that
`cvae-train` derives instead, as for users who pass their images alone. It has a likelihood of 256 levels.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

RECIPE = ("--preset", "fast", "--likelihood", "bernoulli", "--binarize", "none", "--validation-fraction", "0.1")
SCORES = ("elbo", "reconstruction", "error", "kl", "typicality", "likelihood-ratio")
RAW = "raw-elbo"  # -ELBO without the entropy of grey levels, as `Model.score` returns it
COLUMNS = (RAW, *SCORES)
SETS = ("fashion", "mnist")
TEXTURES = "textures"  # a synthetic set, see `_textures`
CLASSES = tuple(map(str, range(10)))
EVERYTHING = "all"  # in place of a class: the images of all classes
ALPHAS = (0.01, 0.05)
LEAST_IOU = 0.3  # to reach: median intersection over union of found and true boxes
SEEDS = 20


@dataclasses.dataclass(frozen=True)
class Published:
    """A published figure.

    Attributes:
        name: the method.
        auroc: AUROC of the task; the mean of the classes if there are ten models.
        source: the publication.
    """

    name: str
    auroc: float
    source: str


@dataclasses.dataclass(frozen=True)
class Task:
    """A task whose figure is an AUROC.

    Attributes:
        good: the set of the good images, one of `SETS` or `TEXTURES`.
        classes: the good classes, with a model for each; `EVERYTHING`: one model for all images.
        outliers: the set whose test images are the outliers. If it is ``good``, they are the images of other classes,
            or scratched textures.
        epochs: passes over the training images, unless ``--minutes`` is given.
        target: the AUROC to reach, if there is one.
        published: figures of others.
        recipe: options of ``cvae-train``.
        background: whether a background model is trained too, for the likelihood ratio.
    """

    good: str
    classes: tuple[str, ...]
    outliers: str
    epochs: int
    target: float | None = None
    published: tuple[Published, ...] = ()
    recipe: tuple[str, ...] = RECIPE
    background: bool = True


_REN = "Ren et al., 2019, arXiv:1906.02845"
TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "fashion-mnist": Task(
            *("fashion", (EVERYTHING,), "mnist", 20, 0.98),
            (Published("PixelCNN++, likelihood", 0.089, _REN), Published("PixelCNN++, likelihood ratio", 0.994, _REN)),
        ),
        "mnist-fashion": Task("mnist", (EVERYTHING,), "fashion", 20, 0.98),
        "one-class-mnist": Task(
            *("mnist", CLASSES, "mnist", 100, 0.97),
            (
                Published("VAE", 0.969, "Abati et al., 2019, arXiv:1807.01653"),
                Published("Deep SVDD", 0.948, "Ruff et al., 2018, ICML"),
            ),
        ),
        "one-class-fashion": Task("fashion", CLASSES, "fashion", 100, 0.92),
        "fashion-mnist-derived": Task("fashion", (EVERYTHING,), "mnist", 20, recipe=(), background=False),
        "scratches": Task(TEXTURES, (EVERYTHING,), TEXTURES, 20, recipe=(), background=False),
    }
)
FALSE_ALARMS = "false-alarms"
OF_FALSE_ALARMS = "fashion-mnist"  # the task whose model raises them
NAMES = (*TASKS, FALSE_ALARMS)
