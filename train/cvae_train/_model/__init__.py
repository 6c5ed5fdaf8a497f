"""The networks and their objectives: layers, likelihoods, the ELBO and its gradients."""

from .conv_transpose import Transposed
from .cvae import CVAE, is_hidden
from .layers import every_layer
from .losses import gaussian_kl, log_likelihood, log_normal, preprocess
from .objectives import Draws, elbo, surrogates

__all__ = [
    "CVAE",
    "Draws",
    "Transposed",
    "elbo",
    "every_layer",
    "gaussian_kl",
    "is_hidden",
    "log_likelihood",
    "log_normal",
    "preprocess",
    "surrogates",
]
