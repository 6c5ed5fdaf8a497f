"""Constants of the derived recipe.

Starting values, from experiments on 576 colour images of 64x64: the residual network, batches of 16, 2e-3, and 64
latents. The other rows extend them to other sizes.
"""

from .._config import Architecture, Objective, Optimizer, Precision

# Images
SIDES = (28, 32, 48, 64, 96, 128)  # sides that images of mixed sizes are scaled to, in pixels
LARGEST_SIDE = SIDES[-1]

AUGMENT_BELOW = 10_000  # training images

# Network
ARCHITECTURE: Architecture = "residual"
WIDER_BELOW = 48  # pixels; smaller images get twice as many filters, since these cost little there
# (most training images, dimensions). Samples of few images are better with few dimensions: with many, the codes of the
# images lie far apart.
LATENT_DIMS = ((2_000, 16), (10_000, 32), (None, 64))
PIXELS_PER_LATENT = 4  # at least; a latent dimension for fewer pixels compresses nothing
FEWEST_FILTERS = 4  # at half of the side, in a network that is made smaller to fit a time

# Optimizer
BATCH_SIZES = ((2_000, 16), (10_000, 32), (50_000, 64), (None, 128))  # (most training images, size)
STEPS_PER_EPOCH = 4  # at least, while batches have more than one image
OPTIMIZER: Optimizer = "muon"
LEARNING_RATE = 2e-3  # at RATE_BATCH; it grows with the root of the batch size
RATE_BATCH = 16
HIGHEST_RATE = 4e-3
WARMUP_SHARE = 0.1  # of all steps
CLIP_NORM = 100.0
OBJECTIVE: Objective = "analytic-kl"
# Weight of the KL for 256 levels. The likelihood grows with the number of values of an image, and the KL does not. With a
# weight of 1, codes are too precise: those of few images lie far apart, and samples between them show nothing.
VALUES_PER_BETA = ((10_000, 200), (None, 800))  # (most training images, values)
HIGHEST_BETA = 100.0
PRECISION: Precision = "auto"

# Length without --minutes
EPOCHS = 30  # passes over the images, within these steps
STEPS = (4_000, 20_000)
MOST_EPOCHS = 300  # for few images; each epoch also writes a picture and a checkpoint

# Length with --minutes
MOST_TIMED_EPOCHS = 2_000
LEAST_STEPS = 300  # in the given time; otherwise the network becomes smaller
FASTER = 2.0  # times, with half the filters
FINISH_SECONDS = 3.0  # curve, animation and weights at the end

# Validation. The weights of the best epoch are kept. With fewer than 8 images, that choice is noise: the standard error
# of their mean ELBO is more than a third of the standard deviation between images.
VALIDATION_FRACTION = 0.1
LEAST_VALIDATION = 8
MOST_VALIDATION = 5_000  # images; more only cost time
PATIENCE_SHARE = 0.25  # of the epochs
LEAST_PATIENCE = 10  # epochs
