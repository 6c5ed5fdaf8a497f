import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae_train._model.conv_transpose import Transposed


def sums_and_gradients(layer, x, weights):
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(y * tf.cast(weights, y.dtype))
    return [tf.cast(tensor, tf.float32) for tensor in (y, *tape.gradient(loss, [x, *layer.trainable_variables]))]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("filters", "stride", "activation"), [(1, 1, None), (3, 1, None), (4, 2, "relu"), (1, 2, "relu"), (4, 2, None)]
)
def test_the_forms_for_a_cpu_have_the_same_sums_and_gradients(filters, stride, activation, precision):
    layer = Transposed(filters, 3, stride, "same", activation=activation, dtype=keras.DTypePolicy(precision))
    rng = np.random.default_rng(0)
    x = tf.Variable(rng.normal(size=(2, 5, 6, 4)).astype(np.float32))
    layer.build(x.shape)
    layer.kernel.assign(rng.normal(size=layer.kernel.shape) / 4)
    layer.bias.assign(rng.normal(size=filters))
    weights = rng.normal(size=(2, 5 * stride, 6 * stride, filters)).astype(np.float32)
    sums = keras.ops.conv_transpose(x.value(), layer.kernel.value, stride, "same") + layer.bias.value
    weights[np.abs(sums) < 0.1] = 0  # rounding decides on which side of the ReLU these are
    plain = sums_and_gradients(layer, x, weights)
    layer.for_cpu = True
    # bfloat16 keeps 8 bits of a factor; sums of some hundred terms are compared with the largest of their kind.
    tolerance = 1e-5 if precision == "float32" else 2e-2
    for expected, found in zip(plain, sums_and_gradients(layer, x, weights), strict=True):
        np.testing.assert_allclose(found, expected, atol=tolerance * float(tf.reduce_max(tf.abs(expected))))


def test_a_bias_s_gradient_in_bfloat16_is_a_sum_in_float32():
    bfloat16 = keras.DTypePolicy("mixed_bfloat16")
    layer = Transposed(4, 3, 2, "same", activation="relu", dtype=bfloat16)
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(50, 14, 14, 4)).astype(np.float32))
    layer.build(x.shape)
    layer.for_cpu = True
    weights = np.abs(rng.normal(size=(50, 28, 28, 4))).astype(np.float32)  # no cancelling: a sum of 39,200
    with tf.GradientTape() as tape:
        y = layer(x)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) * weights)
    (gradient,) = tape.gradient(loss, [layer.bias])
    rounded = np.asarray(tf.cast(tf.cast(weights, tf.bfloat16), tf.float64))
    expected = (rounded * (np.asarray(tf.cast(y, tf.float32)) > 0.0)).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(gradient, expected, rtol=2.0**-8)


def test_the_forms_are_other_operators_where_they_pay():
    def operators(layer, dtype):
        layer.build((None, 6, 6, 4))
        layer.for_cpu = True
        graph = (
            tf.function(layer, input_signature=[tf.TensorSpec([None, 6, 6, 4], dtype)]).get_concrete_function().graph
        )
        return {operator.type for operator in graph.get_operations()}

    assert "Conv2DBackpropInput" not in operators(Transposed(1, 3, 1, "same"), tf.float32)
    assert "Conv2D" not in operators(Transposed(4, 3, 2, "same", activation="relu"), tf.float32)
    bfloat16 = keras.DTypePolicy("mixed_bfloat16")
    assert "Conv2D" in operators(Transposed(4, 3, 2, "same", activation="relu", dtype=bfloat16), tf.bfloat16)
