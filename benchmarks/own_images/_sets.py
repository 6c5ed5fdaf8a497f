"""The image sets, what is trained on each, and the targets."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from ._record import NOTEBOOK, OURS, PYTHAE, Record, best_of

Row = Mapping[str, Record]  # the records of a set, by contender


@dataclasses.dataclass(frozen=True)
class Target:
    """A target of a set.

    Attributes:
        text: in the table.
        reached: whether a row reaches it; raises `KeyError` if a contender is not measured. None: look at the picture.
    """

    text: str
    reached: Callable[[Row], bool] | None = None


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """An image set of ``scripts/fetch_sets.py``.

    Attributes:
        data: path of DATA below the folder of the sets.
        what: what the images are, for the table.
        minutes: time of each training.
        peers: contenders besides ours.
        targets: the targets.
        odd: paths below ``data`` of the images that must have the lowest ELBO.
    """

    data: str
    what: str
    minutes: float
    peers: Sequence[str]
    targets: Sequence[Target]
    odd: Sequence[str] = ()


def _bits_at_most(most: float) -> Target:
    return Target(f"at most {most} bits per dimension", lambda row: row[OURS].bits <= most)


def _under_notebook(share: float = 0.0) -> Target:
    by = f" by {share:.0%} or more" if share else ""
    text = f"bits per dimension under the notebook's network{by}"
    return Target(text, lambda row: row[OURS].bits < row[NOTEBOOK].bits * (1 - share))


def _like_pythae(row: Row) -> bool:
    ours, theirs = row[OURS].figures, [row[name].figures for name in PYTHAE if name in row]
    if not theirs:
        raise KeyError(PYTHAE[0])
    return all(ours[name] > max(figures[name] for figures in theirs) for name in ("psnr", "ssim"))


def _memory(row: Row) -> bool:
    return row[OURS].megabytes <= 2000


_PYTHAE_BEHIND = Target("PSNR and SSIM of test reconstructions above pythae's", _like_pythae)
_UNDER_PCA = Target(
    "bits per dimension under PCA's", lambda row: row[OURS].bits < row[OURS].figures["pca_bits_per_dimension"]
)
_BEST_EPOCH = Target(
    "the epoch of best validation ELBO is kept",
    lambda row: row[OURS].figures["epoch"] == row[OURS].figures["best_epoch"],
)
_LEVELS = Target("256 grey levels, not silhouettes", lambda row: row[OURS].figures["likelihood"] != "bernoulli")
_ODD_FIRST = Target(
    "the odd images have the lowest ELBO",
    lambda row: sorted(row[OURS].figures["odd_ranks"]) == list(range(1, len(row[OURS].figures["odd_ranks"]) + 1)),
)

SETS: Mapping[str, ImageSet] = MappingProxyType(
    {
        "shapes": ImageSet(
            "shapes",
            "640 drawn shapes, five of them odd",
            5,
            (NOTEBOOK, *PYTHAE),
            (_bits_at_most(4.5), _ODD_FIRST, _PYTHAE_BEHIND, Target("corners are visible")),
            ("squares/021.png", "squares/064.png", "squares/107.png", "squares/150.png", "squares/193.png"),
        ),
        "fashion": ImageSet(
            "fashion",
            "Fashion-MNIST",
            15,
            (NOTEBOOK, PYTHAE[0]),
            (_LEVELS, _under_notebook(0.1), _PYTHAE_BEHIND),
        ),
        "digits": ImageSet(
            "digits/digits.npz",
            "scikit-learn's digits",
            3,
            (NOTEBOOK,),
            (_under_notebook(), Target("digits are legible")),
        ),
        "faces": ImageSet(
            "faces/faces.npz", "the faces of scikit-image's LFW subset", 3, (), (_BEST_EPOCH, _UNDER_PCA)
        ),
        "emoji": ImageSet(
            "emoji",
            "Twemoji on white",
            10,
            (NOTEBOOK, PYTHAE[0]),
            (_under_notebook(), _PYTHAE_BEHIND, Target("samples have outlines")),
        ),
        "photos": ImageSet(
            "photos",
            "pieces of photographs in mixed sizes",
            15,
            (),
            (
                Target("trains in 2 GB of memory", _memory),
                Target("reconstructions are recognisable"),
            ),
        ),
    }
)


def verdict(target: Target, row: Row) -> str:
    """Whether a row reaches a target, for the table."""
    if target.reached is None:
        return "see the picture"
    try:
        return "yes" if target.reached(row) else "no"
    except KeyError as missing:
        return f"not measured: {missing.args[0]}"


def pythae_of(row: Row) -> Record | None:
    """The better of pythae's records by PSNR; None if there is none."""
    return best_of([row[name] for name in PYTHAE if name in row])
