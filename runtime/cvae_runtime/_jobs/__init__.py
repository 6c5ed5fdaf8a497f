"""Jobs over any number of images: folders of shards, tables of codes, the lowest ELBOs, and their parts on a cluster."""

from .anomalies import Strangest, draw_pairs
from .code_formats import CODE_FORMATS
from .codes import Columns, code_batch, code_columns
from .encode import Encoding, Part
from .ray_backend import on_cluster
from .ray_model import RemoteModel
from .shard_formats import SHARD_FORMATS
from .shards import ShardEngine, ShardSettings, one_by_one, write_shards

__all__ = [
    "CODE_FORMATS",
    "SHARD_FORMATS",
    "Columns",
    "Encoding",
    "Part",
    "RemoteModel",
    "ShardEngine",
    "ShardSettings",
    "Strangest",
    "code_batch",
    "code_columns",
    "draw_pairs",
    "on_cluster",
    "one_by_one",
    "write_shards",
]
