"""Run a model and the tasks of a job on the machines of a Ray cluster.

Importing this package imports Ray, which is optional.
"""

from .backend import OnCluster
from .model import RemoteModel

__all__ = ["OnCluster", "RemoteModel"]
