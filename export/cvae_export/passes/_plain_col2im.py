"""Rewrite Col2Im, which opsets before 18 lack, as a transposed convolution.

Col2Im adds the values of a block to the block's pixels. A transposed convolution with a stride does the same when its
kernel has a single 1: an input channel for each position in the block, and one group for each output channel.
"""

import math

import numpy as np
import onnx_ir as ir

from ._rewrite import NodeRewrite, Writer, constant, replace, sizes


class PlainCol2Im(NodeRewrite):
    """Rewrite Col2Im with constant sizes as Reshape and ConvTranspose."""

    op_type = "Col2Im"

    def check(self, node: ir.Node) -> str | None:
        data, image, block = node.inputs
        if data is None or sizes(data) is None or constant(image) is None or constant(block) is None:
            return "its sizes are computed"
        return None

    def rewrite(self, graph: ir.Graph, node: ir.Node) -> None:
        data, *given = node.inputs
        assert data is not None
        found = sizes(data)
        assert found is not None  # by `check`
        image, block = (np.asarray(constant(value)).tolist() for value in given)
        axes, area = range(len(block)), math.prod(block)
        strides = list(node.attributes.get_ints("strides", [1] * len(block)))
        dilations = list(node.attributes.get_ints("dilations", [1] * len(block)))
        pads = list(node.attributes.get_ints("pads", [0] * 2 * len(block)))
        spans = [dilations[n] * (block[n] - 1) + 1 for n in axes]
        # Of each axis: the room for blocks, and what no stride reaches.
        room = [image[n] + pads[n] + pads[n + len(block)] - spans[n] for n in axes]
        positions = [room[n] // strides[n] + 1 for n in axes]
        channels = found[0] // area
        kernel = np.tile(np.eye(area, dtype=np.float32), (channels, 1)).reshape(channels * area, 1, *block)
        write = Writer(graph, node)
        new = write(
            "ConvTranspose",
            write("Reshape", data, np.array([-1, channels * area, *positions])),
            kernel,
            group=channels,
            strides=strides,
            dilations=dilations,
            pads=pads,
            output_padding=[room[n] % strides[n] for n in axes],
        )
        replace(graph, node.outputs[0], new, [node])
