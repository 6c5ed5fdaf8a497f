"""ONNX Runtime sessions for a bundle's graphs, opened and called as `Model` opens and calls them.

Examples:
    >>> from cvae_runtime import sessions
    >>> bundle = cvae.read_bundle()
    >>> sessions.micro_batch_of("decoder", "float32", bundle.manifest.model, "cpu")
    32
"""

from ._engine import micro_batch_of, open_session

__all__ = ["micro_batch_of", "open_session"]
