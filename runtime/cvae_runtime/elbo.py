"""The ELBO and its parts, in NumPy."""

from ._math import (
    EVALUATION_SEED,
    PROBABILITY_FLOOR,
    bernoulli_log_likelihood,
    discretized_logistic_log_likelihood,
    discretized_logistic_mixture_log_likelihood,
    gaussian_kl,
    gaussian_kl_per_dimension,
    log_likelihood,
    reparameterize,
    targets_of,
)
from ._score import score_images

__all__ = [
    "EVALUATION_SEED",
    "PROBABILITY_FLOOR",
    "bernoulli_log_likelihood",
    "discretized_logistic_log_likelihood",
    "discretized_logistic_mixture_log_likelihood",
    "gaussian_kl",
    "gaussian_kl_per_dimension",
    "log_likelihood",
    "reparameterize",
    "score_images",
    "targets_of",
]
