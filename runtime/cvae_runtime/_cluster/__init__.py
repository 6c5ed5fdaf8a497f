"""Run a model and the parts of a job on the machines of a Ray cluster.

Importing this package imports Ray, which is optional.
"""

from .backend import on_cluster
from .model import RemoteModel

__all__ = ["RemoteModel", "on_cluster"]
