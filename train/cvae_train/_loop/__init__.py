"""The compiled training loop: steps, optimizer, devices, cluster, progress and checkpoints."""

from .checkpoint import (
    load_checkpoint,
    load_checkpoint_weights,
    load_weights,
    read_checkpoint_history,
    save_checkpoint,
    save_weights,
    take_weights,
)
from .cluster import Cluster, WorkerLostError, join_cluster
from .compute import Compute, choose_compute
from .loop import DivergedError, Loop
from .progress import Progress

__all__ = [
    "Cluster",
    "Compute",
    "DivergedError",
    "Loop",
    "Progress",
    "WorkerLostError",
    "choose_compute",
    "join_cluster",
    "load_checkpoint",
    "load_checkpoint_weights",
    "load_weights",
    "read_checkpoint_history",
    "save_checkpoint",
    "save_weights",
    "take_weights",
]
