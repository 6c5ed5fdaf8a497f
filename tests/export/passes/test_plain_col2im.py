import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cvae_export.passes import PlainCol2Im
from tests.export.tiny_graphs import assert_left_alone, assert_same, parse, rewritten, run

pairs = st.lists(st.integers(1, 3), min_size=2, max_size=2)


@given(channels=st.integers(1, 3), block=pairs, strides=pairs, dilations=pairs, positions=pairs, data=st.data())
def test_any_blocks_strides_dilations_and_pads(channels, block, strides, dilations, positions, data):
    full = [
        stride * (count - 1) + dilation * (size - 1) + 1
        for stride, count, dilation, size in zip(strides, positions, dilations, block, strict=True)
    ]
    extra = [data.draw(st.integers(0, stride - 1)) for stride in strides]
    begin = [data.draw(st.integers(0, size - 1)) for size in full]
    end = [data.draw(st.integers(0, size - 1 - start)) for size, start in zip(full, begin, strict=True)]
    image = [size + more - b - e for size, more, b, e in zip(full, extra, begin, end, strict=True)]
    rows, columns = channels * int(np.prod(block)), int(np.prod(positions))
    proto = parse(
        f"col2im (float[batch,{rows},{columns}] x) => (float[batch,{channels},{image[0]},{image[1]}] y) {{"
        f"y = Col2Im <strides = {strides}, dilations = {dilations}, pads = {begin + end}> (x, image, block) }}",
        image=np.array(image),
        block=np.array(block),
    )
    result, names = rewritten(proto, PlainCol2Im())
    assert names == ["PlainCol2Im"]
    assert [node.op_type for node in result.graph.node] == ["Reshape", "ConvTranspose"]
    assert_same(result, proto, [run])  # onnx's evaluator fails for transposed convolutions in groups


def test_computed_sizes_are_left_alone(caplog):
    proto = parse(
        "col2im (float[batch,4,9] x, int64[2] image) => (float[batch,1,h,w] y) {"
        "[it] y = Col2Im <strides = [1, 1]> (x, image, block) }",
        block=np.array([2, 2]),
    )
    assert_left_alone(proto, PlainCol2Im(), caplog, "its sizes are computed")
