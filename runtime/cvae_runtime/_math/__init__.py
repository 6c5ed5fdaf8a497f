"""Random latents, the ELBO and its parts, and paths and grids in latent space, in NumPy."""

from .elbo import (
    EVALUATION_SEED,
    PROBABILITY_FLOOR,
    bernoulli_log_likelihood,
    bits_per_dimension,
    discretized_logistic_log_likelihood,
    discretized_logistic_mixture_log_likelihood,
    gaussian_kl,
    gaussian_kl_per_dimension,
    gaussian_log_density,
    log_likelihood,
    reparameterize,
    targets_of,
    value_log_likelihood,
)
from .interpolate import Method, interpolate_latents
from .random import (
    RNG_NAME,
    check_range,
    check_seed,
    derived_key,
    posterior_noise,
    prior_latents,
    stream_end,
    threefry2x32,
)
from .traverse import check_dimensions, check_span, manifold_latents, traversal_latents

__all__ = [
    "EVALUATION_SEED",
    "PROBABILITY_FLOOR",
    "RNG_NAME",
    "Method",
    "bernoulli_log_likelihood",
    "bits_per_dimension",
    "check_dimensions",
    "check_range",
    "check_seed",
    "check_span",
    "derived_key",
    "discretized_logistic_log_likelihood",
    "discretized_logistic_mixture_log_likelihood",
    "gaussian_kl",
    "gaussian_kl_per_dimension",
    "gaussian_log_density",
    "interpolate_latents",
    "log_likelihood",
    "manifold_latents",
    "posterior_noise",
    "prior_latents",
    "reparameterize",
    "stream_end",
    "targets_of",
    "threefry2x32",
    "traversal_latents",
    "value_log_likelihood",
]
