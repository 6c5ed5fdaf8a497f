"""Constants of the derived recipe.

Experiments on 576 colour images of 64x64 gave the residual network, batches of 16, Muon with a learning rate of 2e-3,
16 latent dimensions, and the weight of the KL. Experiments on 148 photographs of 128x128 gave 64 dimensions and a
weight of 10 for these. The other entries extend both. With 3,200 emoji, the validation ELBO of wider networks was
better; with 270 drawings, it was not.
"""

from .._config import Architecture, Objective, Optimizer, Precision

# Images
SIDES = (28, 32, 48, 64, 96, 128)  # sides that images of mixed sizes are scaled to, in pixels
LARGEST_SIDE = SIDES[-1]

AUGMENT_BELOW = 10_000  # training images

# Network
ARCHITECTURE: Architecture = "residual"
# Twice as many filters for small images, where they cost little, and for many images.
WIDER_BELOW = 48  # pixels
WIDER_ABOVE = 2_000  # training images
# (most training images, dimensions). Samples of few images are better with few dimensions: with many, the codes of the
# images lie far apart.
LATENT_DIMS = ((2_000, 16), (10_000, 32), (None, 64))
MOST_VALUES_PER_LATENT = 768  # large images get more dimensions, up to those of many images
LEAST_VALUES_PER_LATENT = 4  # with fewer, the code hardly compresses the image
FEWEST_FILTERS = 4  # at half of the side, where --minutes makes the network smaller

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
# Weight of the KL for 256 levels. The likelihood grows with the number of values of an image, and the KL does not. With
# a weight of 1, codes are too precise: those of few images lie far apart, and samples between them show nothing.
VALUES_PER_BETA = ((10_000, 200), (None, 800))  # (most training images, values)
HIGHEST_BETA = ((200, 10.0), (None, 100.0))  # (most training images, weight); samples of fewer are not good anyway
PRECISION: Precision = "auto"

# Length without --minutes
EPOCHS = 30
STEPS = (4_000, 20_000)  # least and most
MOST_EPOCHS = 300  # for few images; each epoch also writes a picture and a checkpoint

# Length with --minutes
MOST_TIMED_EPOCHS = 2_000
LEAST_STEPS = 300  # in the given time; otherwise the network becomes smaller
FASTER = 2.0  # how many times faster a step is with half the filters, estimated
FINISH_SECONDS = 3.0  # curve, animation and weights at the end

# Validation. The weights of the best epoch are kept. With 8 images, the standard error of their
# mean ELBO is about a third of the standard deviation between images. With fewer, the choice is mostly noise.
VALIDATION_FRACTION = 0.1
LEAST_VALIDATION = 8
MOST_VALIDATION = 5_000  # images; more only cost time
PATIENCE_SHARE = 0.25  # of the epochs
LEAST_PATIENCE = 10  # epochs
