"""ONNX Runtime sessions for a bundle's graphs, opened and called as `Model` opens and calls them."""

from ._engine import micro_batch_of, open_session

__all__ = ["micro_batch_of", "open_session"]
