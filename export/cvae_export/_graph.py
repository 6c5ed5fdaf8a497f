"""A graph of a bundle: an ONNX file and its description."""

import dataclasses
import hashlib

import onnx

from cvae_runtime.bundle import GraphInfo, Precision, Target, TensorInfo, Verified


@dataclasses.dataclass(frozen=True)
class Graph:
    """One ``.onnx`` file of a bundle.

    Attributes:
        role, target, precision: as in the manifest.
        data: the file's bytes.
        passes: the names of the rewrites that changed the graph.

    Examples:
        >>> cvae_export.Graph("decoder", "cpu", "int8", data=b"", passes=()).file
        'decoder_cpu_int8.onnx'
    """

    role: str
    target: Target
    precision: Precision
    data: bytes
    passes: tuple[str, ...]

    @property
    def file(self) -> str:
        """``<role>[_<target>][_<precision>].onnx``, without the defaults portable and float32."""
        target = "" if self.target == "portable" else f"_{self.target}"
        precision = {"float32": "", "float16": "_fp16", "int8": "_int8"}[self.precision]
        return f"{self.role}{target}{precision}.onnx"

    def describe(self, verified: Verified) -> GraphInfo:
        """Return the graph's entry of the manifest."""
        proto = onnx.load_from_string(self.data)
        return GraphInfo(
            role=self.role,
            target=self.target,
            precision=self.precision,
            file=self.file,
            bytes=len(self.data),
            sha256=hashlib.sha256(self.data).hexdigest(),
            opset=opset_of(proto),
            ir_version=proto.ir_version,
            passes=self.passes,
            inputs=tuple(tensor_info(value) for value in proto.graph.input),
            outputs=tuple(tensor_info(value) for value in proto.graph.output),
            verified=verified,
        )


def opset_of(proto: onnx.ModelProto) -> int:
    """Return the version of the standard operators that a graph uses."""
    return int(next(entry.version for entry in proto.opset_import if entry.domain == ""))


def tensor_info(value: onnx.ValueInfoProto) -> TensorInfo:
    """Return the manifest's entry of an input or output."""
    tensor = value.type.tensor_type
    shape = tuple(dimension.dim_param or dimension.dim_value for dimension in tensor.shape.dim)
    return TensorInfo(value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name, shape)
