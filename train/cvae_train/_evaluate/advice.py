"""Simple rules that turn the figures of a run into what to try next."""

from collections.abc import Iterator, Sequence

from .._config import LIKELIHOOD_OF_LEVELS, TrainConfig
from .._run import EpochRecord
from .evaluation import Evaluation

_FELL = 0.01  # of the best ELBO, after which a run has overfitted
_HARDLY = 0.85  # of the best baseline's log likelihood; a model with more has hardly learned
_RISES = 0.005  # of the ELBO, over the last tenth of a run, above which more epochs help
_IN_USE = 0.5  # nats: least KL of a dimension for more dimensions to help
_APART = 0.1  # share of the KL; a larger aggregate gap shows in samples
_LEAST_EPOCHS = 10  # for a judgement of the curve


def next_steps(
    evaluation: Evaluation, config: TrainConfig, history: Sequence[EpochRecord], minutes: float | None = None
) -> list[str]:
    """Advise on the next run: lines with what was found and which options to try; empty if nothing stands out.

    `Evaluation.warnings` has the advice on posterior collapse.

    Args:
        evaluation: figures of the run.
        config: its recipe.
        history: its epochs.
        minutes: the time that it was fitted to, if any.
    """
    longer = f"--epochs {2 * config.epochs}" if minutes is None else f"--minutes {2 * minutes:g}"
    on_curve = list(_on_curve(evaluation, config, history, longer))
    return [*_on_likelihood(evaluation), *(on_curve or _on_latents(evaluation, config, longer))]


def _on_likelihood(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.binarize == "none" and evaluation.bits_per_dimension is None:
        yield (
            f"grey levels have no likelihood under bernoulli: pass --likelihood {LIKELIHOOD_OF_LEVELS}, "
            f"whose figures can be compared"
        )


def _on_curve(
    evaluation: Evaluation, config: TrainConfig, history: Sequence[EpochRecord], longer: str
) -> Iterator[str]:
    last, best = history[-1], max(history, key=_selected)
    fell = _selected(best) - _selected(last)
    baselines = evaluation.baselines
    if fell > max(_FELL * abs(_selected(best)), 2 * (evaluation.elbo_stderr or 0.0)):
        remedy = f"pass --validation-fraction 0.1 --patience {max(5, config.epochs // 10)} to keep the best epoch"
        kept = "the run kept it; more images or fewer --filters help" if config.patience else remedy
        yield f"overfitting: the ELBO was highest after epoch {best.epoch} and fell by {fell:.2f} nats since; {kept}"
    elif baselines is not None and evaluation.elbo_without_label < _HARDLY * max(baselines.histogram, baselines.pca):
        simple = "the per-pixel histogram" if baselines.histogram > baselines.pca else "PCA"
        larger = "--filters " + ",".join(str(2 * filters) for filters in config.model.filters)
        if config.model.architecture == "notebook" and config.model.image_shape[2] == 3:
            larger = "--architecture residual"
        yield (
            f"underfitting: the model is not much better than {simple}; pass {longer}, a higher --learning-rate or "
            f"{larger}"
        )
    elif len(history) >= _LEAST_EPOCHS:
        rose = last.elbo - history[-1 - len(history) // 10].elbo
        if rose > _RISES * abs(last.elbo):
            yield f"the ELBO still rises, by {rose:.2f} nats in the last tenth; pass {longer}"


def _selected(record: EpochRecord) -> float:
    return record.elbo if record.validation_elbo is None else record.validation_elbo


def _on_latents(evaluation: Evaluation, config: TrainConfig, longer: str) -> Iterator[str]:
    latent_dim = len(evaluation.kl_per_dimension)
    if evaluation.aggregate_gap > max(1.0, _APART * evaluation.kl):
        smaller = f" or --latent-dim {latent_dim // 2}" if latent_dim > 1 else ""
        learned = "--prior learned, or " if latent_dim > 1 and config.model.prior == "normal" else ""
        yield (
            f"samples may look worse than reconstructions: the latents of images are {evaluation.aggregate_gap:.1f} "
            f"nats from the prior; pass {learned}{longer}{smaller}"
        )
    elif min(evaluation.kl_per_dimension) > _IN_USE:
        yield f"all {latent_dim} latent dimensions are in use; pass --latent-dim {2 * latent_dim}"
