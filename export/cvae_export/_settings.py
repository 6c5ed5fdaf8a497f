"""What an export may be asked for, and what it is otherwise: here, since the command line's help waits for no TensorFlow."""

OPSETS = range(13, 22)
DEFAULT_OPSET = 15
ATOL = 1e-5  # of outputs up to 1; of larger ones relative to the largest
