"""Training objectives, per image, as surrogates whose gradients are the papers' estimators.

"elbo"          log p(x|z) + log p(z) - log q(z|x) for one draw (Kingma and Welling, 2014), as in the notebook.
"analytic-kl"   log p(x|z) - KL(q(z|x) || p(z)), with the KL in closed form (ibid., equation 10). With a learned prior,
                only the entropy of q(z|x) is in closed form: log p(x|z) + log p(z) + entropy.
"stl"           "elbo" without the gradient of the score function, which has zero mean: sticking the landing (Roeder, Wu
                and Duvenaud, 2017). Its variance vanishes if q is the true posterior.
"iwae"          log of the mean of k importance weights w = p(x, z) / q(z|x) (Burda, Grosse and Salakhutdinov, 2016).
"dreg"          the same bound with the doubly reparameterized gradient for the encoder (Tucker, Lawson, Gu and
                Maddison, 2019), whose signal-to-noise ratio does not fall as k grows.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from .._config import Objective
from .losses import gaussian_kl_per_dimension, log_normal


class Draws(NamedTuple):
    """k draws of q(z|x) for B images.

    Attributes:
        log_p_x: log p(x|z), (k, B).
        z: (k, B, L).
        mean, logvar: of q(z|x), (B, L).
        log_prior: log p(z) of the draws, (k, B), if the prior is learned; None for N(0, I).
    """

    log_p_x: tf.Tensor
    z: tf.Tensor
    mean: tf.Tensor
    logvar: tf.Tensor
    log_prior: tf.Tensor | None = None


def surrogates(objective: Objective, draws: Draws, beta: tf.Tensor, free_bits: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Values to differentiate for the decoder's and the encoder's gradient, (B,) each; one tensor if both are equal."""
    if objective == "elbo":
        both = draws.log_p_x[0] - beta * _log_ratio(draws, draws.mean, draws.logvar)[0]
    elif objective == "analytic-kl" and draws.log_prior is not None:
        entropy = 0.5 * tf.reduce_sum(draws.logvar + math.log(2.0 * math.pi) + 1.0, axis=1)
        both = draws.log_p_x[0] + beta * (draws.log_prior[0] + entropy)
    elif objective == "analytic-kl":
        kl = gaussian_kl_per_dimension(draws.mean, draws.logvar)
        both = draws.log_p_x[0] - beta * tf.reduce_sum(tf.maximum(kl, free_bits), axis=1)
    elif objective == "stl":
        both = draws.log_p_x[0] - beta * _log_ratio_of_fixed_q(draws)[0]
    elif objective == "iwae":
        log_weights = draws.log_p_x - _log_ratio(draws, draws.mean, draws.logvar)
        both = tf.reduce_logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])
    else:
        log_weights = draws.log_p_x - _log_ratio_of_fixed_q(draws)
        normalized = tf.stop_gradient(tf.nn.softmax(log_weights, axis=0))
        return tf.reduce_sum(normalized * log_weights, axis=0), tf.reduce_sum(normalized**2 * log_weights, axis=0)
    return both, both


def elbo(draws: Draws) -> tf.Tensor:
    """Three-term estimate of the ELBO, averaged over the draws: (B,). Runs report it for every objective."""
    return tf.reduce_mean(draws.log_p_x - _log_ratio(draws, draws.mean, draws.logvar), axis=0)


def _log_ratio(draws: Draws, mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """log q(z|x) - log p(z) of every draw: (k, B)."""
    zero = tf.zeros_like(draws.z)
    log_prior = log_normal(draws.z, zero, zero) if draws.log_prior is None else draws.log_prior
    return log_normal(draws.z, mean, logvar) - log_prior


def _log_ratio_of_fixed_q(draws: Draws) -> tf.Tensor:
    """log q(z|x) - log p(z), with a gradient that flows through z alone, not through q's parameters."""
    return _log_ratio(draws, tf.stop_gradient(draws.mean), tf.stop_gradient(draws.logvar))
