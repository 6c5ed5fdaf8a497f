"""`Posterior` and `Scores`, the ELBO of images for any encoder and decoder, and the terms of a detector's scores."""

from .detector import DetectorTerms, detector_terms
from .scores import Posterior, Scores, check_likelihood, score_images

__all__ = ["DetectorTerms", "Posterior", "Scores", "check_likelihood", "detector_terms", "score_images"]
