"""Random latents that are the same in every language: Threefry-2x32 with 20 rounds, then Box-Muller.

Examples:
    >>> from cvae_runtime import random
    >>> z = random.prior_latents(seed=0, first=0, count=4, latent_dim=2)
    >>> z.shape, random.RNG_NAME
    ((4, 2), 'threefry2x32-20/box-muller')
"""

from ._math import RNG_NAME, check_seed, derived_key, posterior_noise, prior_latents, threefry2x32

__all__ = ["RNG_NAME", "check_seed", "derived_key", "posterior_noise", "prior_latents", "threefry2x32"]
