"""JAX: the network in ``jax.lax``, compiled by ``jax.jit`` per batch size, with XLA's own threads, one per core."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks._worker import Factory, Work
from benchmarks.peers import inputs
from benchmarks.peers._network import Layer, read_network

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def jit(folder: str) -> Factory:
    """Compiled."""
    network = read_network()

    def transposed(x: jax.Array, layer: Layer, stride: int) -> jax.Array:
        strides = (stride, stride)  # the padding equals Keras's "same"
        x = lax.conv_transpose(x, layer.kernel, strides, "SAME", dimension_numbers=_LAYOUT, transpose_kernel=True)
        return x + layer.bias

    def decode(z: jax.Array) -> tuple[jax.Array, ...]:
        x = jax.nn.relu(z @ network.dense.kernel + network.dense.bias).reshape(-1, *network.base)
        for layer in network.up:
            x = jax.nn.relu(transposed(x, layer, 2))
        return (jax.nn.sigmoid(transposed(x, network.last, 1)),)

    def encode(images: jax.Array) -> tuple[jax.Array, ...]:
        x = (images >= network.binarize_at).astype(jnp.float32)
        for layer in network.down:
            x = lax.conv_general_dilated(x, layer.kernel, (2, 2), "VALID", dimension_numbers=_LAYOUT) + layer.bias
            x = jax.nn.relu(x)
        mean, logvar = jnp.split(x.reshape(len(x), -1) @ network.code.kernel + network.code.bias, 2, axis=1)
        return mean, logvar

    calls = {"decoding": decode, "encoding": encode, "reconstruction": lambda images: decode(encode(images)[0])}
    compiled = {task: jax.jit(call) for task, call in calls.items()}

    def at(task: str, batch: int) -> Work:
        call, x = compiled[task], jnp.asarray(inputs(task, folder, batch))
        return lambda: [np.asarray(output) for output in call(x)]

    return at
