"""The networks and their objectives: layers, likelihoods, the ELBO and its gradients."""

from .conv_transpose import Transposed
from .cvae import CVAE
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
    "log_likelihood",
    "log_normal",
    "preprocess",
    "surrogates",
]
