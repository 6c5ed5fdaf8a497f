"""Ray: a model on every machine of a cluster, and the parts of a job there.

Importing this room imports Ray, an optional package.
"""

from .backend import on_cluster
from .model import RemoteModel

__all__ = ["RemoteModel", "on_cluster"]
