"""The ELBO and its parts, in NumPy.

Examples:
    >>> from cvae_runtime import elbo
    >>> mean, logvar = np.array([[1.0, 0.0]]), np.zeros((1, 2))
    >>> elbo.gaussian_kl(mean, logvar).tolist()
    [0.5]
"""

from ._math import (
    EVALUATION_SEED,
    PROBABILITY_FLOOR,
    bernoulli_log_likelihood,
    discretized_logistic_log_likelihood,
    discretized_logistic_mixture_log_likelihood,
    gaussian_kl,
    gaussian_kl_per_dimension,
    gaussian_log_density,
    log_likelihood,
    reparameterize,
    target_entropy,
    targets_of,
    value_log_likelihood,
)
from ._score import DetectorTerms, detector_terms, score_images

__all__ = [
    "EVALUATION_SEED",
    "PROBABILITY_FLOOR",
    "DetectorTerms",
    "bernoulli_log_likelihood",
    "detector_terms",
    "discretized_logistic_log_likelihood",
    "discretized_logistic_mixture_log_likelihood",
    "gaussian_kl",
    "gaussian_kl_per_dimension",
    "gaussian_log_density",
    "log_likelihood",
    "reparameterize",
    "score_images",
    "target_entropy",
    "targets_of",
    "value_log_likelihood",
]
