"""The layouts of other platforms over the graphs of a bundle: Triton, MLflow, Hugging Face."""

from .write import LAYOUTS, check_layout, write_layout

__all__ = ["LAYOUTS", "check_layout", "write_layout"]
