"""Jobs over any number of images: folders of shards, tables of codes, images of the lowest ELBO."""

from .anomalies import LowestElbo, draw_alarms, draw_pairs
from .code_formats import CODE_FORMATS
from .codes import Columns, code_batch, code_columns
from .encode import EncodedBatch, Encoding, batches_of
from .execute import Executor, InProcess
from .shard_formats import SHARD_FORMATS
from .shards import ShardSettings, write_shards

__all__ = [
    "CODE_FORMATS",
    "SHARD_FORMATS",
    "Columns",
    "EncodedBatch",
    "Encoding",
    "Executor",
    "InProcess",
    "LowestElbo",
    "ShardSettings",
    "batches_of",
    "code_batch",
    "code_columns",
    "draw_alarms",
    "draw_pairs",
    "write_shards",
]
