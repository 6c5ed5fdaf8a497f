"""Jobs over any number of images: folders of shards, tables of codes, images of the lowest ELBO."""

from .anomalies import LowestElbo, draw_pairs
from .code_formats import CODE_FORMATS
from .codes import Columns, code_batch, code_columns
from .encode import Encoding, Part
from .shard_formats import SHARD_FORMATS
from .shards import ShardEngine, ShardSettings, Work, one_by_one, write_shards

__all__ = [
    "CODE_FORMATS",
    "SHARD_FORMATS",
    "Columns",
    "Encoding",
    "LowestElbo",
    "Part",
    "ShardEngine",
    "ShardSettings",
    "Work",
    "code_batch",
    "code_columns",
    "draw_pairs",
    "one_by_one",
    "write_shards",
]
