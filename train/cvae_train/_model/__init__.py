"""The network and its objectives: layers, likelihoods, the ELBO and its gradients."""

from .conv_transpose import Transposed
from .cvae import CVAE
from .losses import gaussian_kl, log_likelihood, log_normal, preprocess
from .objectives import Draws, elbo, surrogates

__all__ = [
    "CVAE",
    "Draws",
    "Transposed",
    "elbo",
    "gaussian_kl",
    "log_likelihood",
    "log_normal",
    "preprocess",
    "surrogates",
]
