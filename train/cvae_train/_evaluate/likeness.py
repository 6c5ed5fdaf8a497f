"""How much reconstructions resemble their images."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

EXACT = 100.0  # dB
_WINDOWS = (11, 7)  # pixels, of SSIM: the first that fits


def mean_likeness(
    pairs: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]],
) -> tuple[float, float | None]:
    """Compute PSNR in dB and SSIM (Wang et al., "Image quality assessment", 2004), as means over the images.

    Args:
        pairs: batches of images, uint8 (N, H, W, C), and of their reconstructions, float32 (N, H, W, C) in [0, 1].

    Returns:
        PSNR, at most `EXACT` for an image; and SSIM with a Gaussian window of 11 pixels, or of 7 for images of fewer
        pixels, or None for images of fewer than 7.
    """
    psnrs, ssims = [], []
    for images, reconstructions in pairs:
        expected, found = tf.constant(images / np.float32(255)), tf.constant(reconstructions)
        psnrs.append(np.minimum(tf.image.psnr(expected, found, 1.0).numpy(), EXACT))
        window = next((size for size in _WINDOWS if size <= min(images.shape[1:3])), None)
        if window is not None:
            ssims.append(tf.image.ssim(expected, found, 1.0, filter_size=window).numpy())
    psnr = float(np.concatenate(psnrs).mean(dtype=np.float64))
    return psnr, float(np.concatenate(ssims).mean(dtype=np.float64)) if ssims else None
