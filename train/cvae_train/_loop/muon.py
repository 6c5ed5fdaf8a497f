"""Muon, an optimizer that orthogonalizes updates of kernels (Jordan et al., "Muon: an optimizer for hidden layers in
neural networks", 2024).

A few directions dominate the gradient of a kernel. Muon gives all directions the same length. It reshapes the momentum
of the kernel to a matrix with a column for each output. With the singular value decomposition U S V^T of this matrix,
the update is U V^T. A few Newton-Schulz iterations (matrix products) approximate U V^T.
"""

import keras
import tensorflow as tf

from .._model import is_hidden

_MOMENTUM = 0.95
_MEAN, _SQUARE = 0.9, 0.999  # Adam's decays of the gradient's moments
_ITERATIONS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the fifth-degree polynomial
# Root mean square of an update at a learning rate of 1. Adam's updates have a similar size, so Adam's learning rates
# work (Liu et al., "Muon is scalable for LLM training", 2025).
_SIZE = 0.2


class Muon(keras.optimizers.Optimizer):
    """Muon for the kernels of hidden layers (see `is_hidden`), and Adam for all other variables.

    Args:
        learning_rate: number or schedule, for both.
        epsilon: see `TrainConfig.epsilon`.
        **options: of Keras's optimizers, such as clipping and the moving average of the weights.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        epsilon: float,
        **options: object,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self._epsilon = epsilon
        self._momentum: list[keras.Variable] = []
        self._square: list[keras.Variable | None] = []  # None for what Muon updates

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the moments of the variables."""
        if self.built:
            return
        super().build(variables)
        for variable in variables:
            by_muon = len(variable.shape) > 1 and is_hidden(variable)
            self._momentum.append(self.add_variable_from_reference(variable, name="momentum"))
            self._square.append(None if by_muon else self.add_variable_from_reference(variable, name="square"))

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update one variable in place."""
        index = self._get_variable_index(variable)
        momentum, square = self._momentum[index], self._square[index]
        if square is None:
            self._update_kernel(gradient, variable, learning_rate, momentum)
        else:
            self._update_by_adam(gradient, variable, learning_rate, momentum, square)

    def _update_kernel(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor, momentum: keras.Variable
    ) -> None:
        self.assign(momentum, _MOMENTUM * momentum + gradient)
        ahead = gradient + _MOMENTUM * momentum  # Nesterov's
        matrix = tf.reshape(ahead, [-1, variable.shape[-1]])
        scale = _SIZE * float(max(matrix.shape)) ** 0.5
        self.assign_sub(variable, learning_rate * scale * tf.reshape(orthogonalized(matrix), variable.shape))

    def _update_by_adam(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable,
        learning_rate: tf.Tensor,
        mean: keras.Variable,
        square: keras.Variable,
    ) -> None:
        step = tf.cast(self.iterations + 1, gradient.dtype)
        self.assign_add(mean, (gradient - mean) * (1.0 - _MEAN))
        self.assign_add(square, (tf.square(gradient) - square) * (1.0 - _SQUARE))
        rate = learning_rate * tf.sqrt(1.0 - _SQUARE**step) / (1.0 - _MEAN**step)
        self.assign_sub(variable, rate * mean / (tf.sqrt(square) + self._epsilon))


def orthogonalized(matrix: tf.Tensor) -> tf.Tensor:
    """U V^T of a matrix U S V^T, approximately.

    Singular values above about 0.3% of the norm become 0.7 to 1.2; smaller ones stay smaller.
    """
    a, b, c = _COEFFICIENTS
    rows, columns = matrix.shape
    x = tf.transpose(matrix) if rows > columns else matrix
    x /= tf.norm(x) + 1e-7  # largest singular value at most 1
    for _ in range(_ITERATIONS):
        gram = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * gram + c * tf.matmul(gram, gram), x)
    return tf.transpose(x) if rows > columns else x
