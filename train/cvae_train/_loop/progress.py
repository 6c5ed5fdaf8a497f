"""Progress of a training run on stderr: a table of epochs, and on a terminal a bar with the time left of the run."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tqdm import tqdm

from .._config import TrainConfig
from .._run import EpochRecord

_ROWS = 20  # rows of a whole run without a terminal
_SILENCE = 60.0  # seconds without a row, without a terminal, after which the next one is due


class Progress:
    """Progress of a run in lines of at most 80 columns.

    On a terminal, each epoch has a row. Elsewhere a row is printed for the first and the last epoch, and between them
    after every twentieth of the run or every minute.

    Args:
        config: the recipe.
        images: training images per epoch.
        done: number of epochs that were complete before.
        validation: whether there is a validation set.
        quiet: show nothing.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: int,
        *,
        done: int = 0,
        validation: bool = False,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._epochs = config.epochs
        self._images = images
        self._quiet = quiet
        self._table = _Table(config, validation=validation)
        self._time_left = _TimeLeft(config.epochs * images, clock)
        self._clock = clock
        self._first = done + 1
        self._epoch = done
        self._printed: tuple[int, float] | None = None  # epoch and time of the last row
        self._pending: EpochRecord | None = None
        self._bar: tqdm | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._print_pending()

    def print(self, line: str) -> None:
        """Print a line."""
        self._print_pending()
        self._write(line)

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch, counted from 1."""
        self._epoch = epoch
        if epoch == self._first:
            for line in self._table.header():
                self._write(line)
            if not self._quiet and sys.stderr.isatty():
                self._bar = tqdm(
                    total=self._epochs * self._images,
                    initial=(epoch - 1) * self._images,
                    desc=f"epoch {epoch}/{self._epochs} ",
                    bar_format="{desc}|{bar}| {percentage:3.0f}%",
                    leave=False,
                    dynamic_ncols=True,
                )
        if epoch <= self._first + 1:  # the first epoch includes compilation
            self._time_left.begin((epoch - 1) * self._images)

    def update(self, done: int, elbo: float) -> None:
        """Report the images done in the epoch, and the training ELBO of the last ones in nats per image."""
        total = (self._epoch - 1) * self._images + done
        self._time_left.update(total)
        if self._bar is not None:
            name, figure = self._table.train_elbo(elbo)
            self._bar.set_description_str(
                f"epoch {self._epoch}/{self._epochs}, {name} {figure}, {self._time_left} left ", refresh=False
            )
            self._bar.update(total - self._bar.n)
        elif self._silent() and done < self._images:
            self._write_row(self._table.row(self._epoch, self._time_left, train=elbo))

    def end_epoch(self, record: EpochRecord) -> None:
        """Print the figures of a finished epoch, or keep them until a row is due."""
        self._time_left.measure()  # evaluation takes time, too
        self._pending = record
        last = 0 if self._printed is None else self._printed[0]
        is_due = record.epoch in (self._first, self._epochs) or (record.epoch - last) * _ROWS >= self._epochs
        if self._bar is not None or is_due or self._silent():
            self._print_pending()

    def _silent(self) -> bool:
        return self._printed is not None and self._clock() - self._printed[1] >= _SILENCE

    def _print_pending(self) -> None:
        record, self._pending = self._pending, None
        if record is not None:
            figures = (record.elbo, record.kl, record.validation_elbo)
            self._write_row(self._table.row(record.epoch, self._time_left, *figures, train=record.train_elbo))

    def _write_row(self, row: str) -> None:
        self._printed = self._epoch, self._clock()
        self._write(row)

    def _write(self, line: str) -> None:
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)


class _Table:
    """Columns of the figures of an epoch: in nats, and for images of 256 levels in bits per dimension, too."""

    def __init__(self, config: TrainConfig, *, validation: bool) -> None:
        self._epochs = config.epochs
        self._bits = config.model.bits_per_dimension
        self._has_levels = self._bits(0.0) is not None
        self._has_validation = validation
        self._given = bool(config.model.labels)
        elbos = [("validation", 10)] * validation + [("train", 6 if self._has_levels else 10)]
        test = [("test ELBO", 10), ("KL", 8), *([("bits/dim: test", 14)] if self._has_levels else [])]
        epoch = ("epoch", len(f"{self._epochs}/{self._epochs}"))
        columns = [epoch, *test, *elbos, ("time left", 9)]
        self._headings = [heading for heading, _ in columns]
        self._widths = [max(len(heading), width) for heading, width in columns]

    def header(self) -> list[str]:
        """Return the units, and the headings of the columns."""
        units = "ELBO and KL in nats per image"
        if self._given:
            units = "ELBO and KL given the label, in nats per image"
        if self._has_levels:
            units = "test ELBO and KL in nats per image; bits per dimension, lower is better"
            if self._given:
                units = "given the label: test ELBO and KL in nats; bits per dimension, lower is better"
        return [units, self._line(self._headings)]

    def row(
        self,
        epoch: int,
        left: "_TimeLeft",
        elbo: float | None = None,
        kl: float | None = None,
        validation: float | None = None,
        *,
        train: float,
    ) -> str:
        """Return the row of an epoch; an epoch that is not complete has its training ELBO alone."""
        figures = [self._nats(elbo), self._nats(kl), *([self._figure(elbo)] if self._has_levels else [])]
        figures += [self._figure(validation)] * self._has_validation
        return self._line([f"{epoch}/{self._epochs}", *figures, self._figure(train), str(left)])

    def train_elbo(self, elbo: float) -> tuple[str, str]:
        """Return the name and the text of a training ELBO, in the unit of the table."""
        return "train bits/dim" if self._has_levels else "train ELBO", self._figure(elbo)

    def _line(self, cells: list[str]) -> str:
        return "  ".join(cell.rjust(width) for cell, width in zip(cells, self._widths, strict=True))

    def _figure(self, elbo: float | None) -> str:
        bits = self._bits(elbo) if elbo is not None else None
        return self._nats(elbo) if bits is None else f"{bits:.3f}"

    @staticmethod
    def _nats(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"


class _TimeLeft:
    """Estimate of the time to the end of a run, from the mean time of an image.

    Args:
        total: images of all epochs.
        clock: returns the time in seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float]) -> None:
        self._total = total
        self._clock = clock
        self._done = 0
        self._begins: list[tuple[int, float]] = []  # images and times from which the mean can be taken
        self._compiling = True
        self._seconds: float | None = None  # per image

    def __str__(self) -> str:
        return "?" if self._seconds is None else tqdm.format_interval((self._total - self._done) * self._seconds)

    def begin(self, done: int) -> None:
        """Take the mean from here on."""
        self._begins = [(done, self._clock())]

    def update(self, done: int) -> None:
        """Report the number of images done; the first ones take the time of the compilation, which is left out."""
        self._done = done
        if self._compiling:
            self._compiling = False
            self._begins.append((done, self._clock()))
        else:
            self.measure()

    def measure(self) -> None:
        """Take the mean again."""
        images, start = next(begin for begin in reversed(self._begins) if begin[0] < self._done)
        self._seconds = (self._clock() - start) / (self._done - images)
