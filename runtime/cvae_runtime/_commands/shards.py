"""Options of ``cvae-generate`` for folders of shards."""

import dataclasses
from typing import Any

import click

from .. import cli
from .._jobs import SHARD_FORMATS

SHARD_OPTIONS = ("shard_size", "resume")


# Add the options of shards, named as the fields of `Sharding`.
shard_options = cli.add_options(
    click.option(
        "--shard-size",
        type=int,
        help="Samples in a shard: write a folder of npy, parquet or tar files.  [default: one output file]",
    ),
    click.option("--resume", is_flag=True, help="Continue a folder of shards: write those missing or damaged."),
)


@dataclasses.dataclass(frozen=True)
class Sharding:
    """Options of shards; a shard size of None writes no shards."""

    shard_size: Any
    resume: bool

    def check_sharding(
        self, file_format: str | None, dtype: str | None, output: str | None, *, overwrite: bool
    ) -> None:
        """Raise `click.UsageError` for options that contradict these."""
        if self.shard_size is None:
            if self.resume:
                raise click.UsageError("--resume is for shards: pass --shard-size")
            if file_format in ("parquet", "tar"):
                raise click.UsageError(f"--format {file_format} needs shards: pass --shard-size")
            return
        if file_format is not None and file_format not in SHARD_FORMATS:
            raise click.UsageError(f"--format: expected {', '.join(SHARD_FORMATS)} for shards, found {file_format}")
        if file_format == "tar" and dtype is not None:
            raise click.UsageError("--dtype is for arrays; a tar holds pictures")
        if output == "-":
            raise click.UsageError("cannot write shards to stdout: name a folder with --output")
        if self.resume and overwrite:
            raise click.UsageError("--resume and --overwrite contradict each other: pass one of them")
