"""Random latents that are the same in every language: Threefry-2x32 with 20 rounds, then Box-Muller."""

from ._math import RNG_NAME, check_seed, posterior_noise, prior_latents

__all__ = ["RNG_NAME", "check_seed", "posterior_noise", "prior_latents"]
