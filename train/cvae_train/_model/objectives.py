"""What training maximizes, per image, as surrogates whose gradients are the estimators of the papers.

"elbo"          log p(x|z) + log p(z) - log q(z|x) for one draw (Kingma and Welling, 2014): the notebook's.
"analytic-kl"   log p(x|z) - KL(q(z|x) || p(z)), the KL in closed form (ibid., equation 10).
"stl"           the first with the score function's gradient left out, of zero mean: sticking the landing (Roeder, Wu and
                Duvenaud, 2017). Its variance vanishes where q is the true posterior.
"iwae"          log of the mean of k importance weights w = p(x, z) / q(z|x) (Burda, Grosse and Salakhutdinov, 2016).
"dreg"          the same bound with the doubly reparameterized gradient for the encoder (Tucker, Lawson, Gu and Maddison,
                2019), whose signal does not fade as k grows.
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
    """

    log_p_x: tf.Tensor
    z: tf.Tensor
    mean: tf.Tensor
    logvar: tf.Tensor


def surrogates(objective: Objective, draws: Draws, beta: tf.Tensor, free_bits: float) -> tuple[tf.Tensor, tf.Tensor]:
    """What the decoder's and what the encoder's gradient is taken of, (B,) each; the same tensor where they agree."""
    if objective == "elbo":
        both = draws.log_p_x[0] - beta * _log_ratio(draws, draws.mean, draws.logvar)[0]
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
    """The three-term estimate of the ELBO, (B,), averaged over the draws: what is reported, whatever is maximized."""
    return tf.reduce_mean(draws.log_p_x - _log_ratio(draws, draws.mean, draws.logvar), axis=0)


def _log_ratio(draws: Draws, mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """log q(z|x) - log p(z) of every draw, (k, B)."""
    zero = tf.zeros_like(draws.z)
    return log_normal(draws.z, mean, logvar) - log_normal(draws.z, zero, zero)


def _log_ratio_of_fixed_q(draws: Draws) -> tf.Tensor:
    """The same where q's parameters move it through z alone."""
    return _log_ratio(draws, tf.stop_gradient(draws.mean), tf.stop_gradient(draws.logvar))
