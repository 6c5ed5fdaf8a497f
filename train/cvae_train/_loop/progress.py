"""Progress of a training run on stderr: a bar on a terminal, and one line per epoch."""

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from .._run import EpochRecord


class Progress:
    """Progress of a run.

    Args:
        epochs: number of epochs of the run.
        images: training images per epoch.
        quiet: show nothing.
    """

    def __init__(self, epochs: int, images: int, *, quiet: bool) -> None:
        self._epochs = epochs
        self._images = images
        self._quiet = quiet
        self._bar: tqdm | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def print(self, line: str) -> None:
        """Print a line."""
        if self._bar is not None:
            self._bar.clear()
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)

    def begin_epoch(self, epoch: int) -> None:
        """Start the progress bar of an epoch."""
        if not self._quiet and sys.stderr.isatty():
            self._bar = tqdm(
                total=self._images,
                desc=f"epoch {epoch}/{self._epochs}",
                unit=" images",
                leave=False,
                dynamic_ncols=True,
            )
            self._later = self._epochs - epoch

    def update(self, done: int, elbo: float) -> None:
        """Update the bar: images done in the epoch, and the training ELBO of the last ones in nats per image."""
        if self._bar is not None:
            rate = self._bar.format_dict["rate"] or 0.0
            left = (
                f", {tqdm.format_interval(self._later * self._images / rate)} more for the run"
                if rate and self._later
                else ""
            )
            self._bar.set_postfix_str(f"train ELBO {elbo:.2f}{left}", refresh=False)
            self._bar.update(done - self._bar.n)

    def end_epoch(self, record: EpochRecord, bits_per_dimension: float | None = None) -> None:
        """Close the bar and print the figures of a finished epoch."""
        self._close()
        validation = "" if record.validation_elbo is None else f"validation {record.validation_elbo:.2f}, "
        bits = "" if bits_per_dimension is None else f"{bits_per_dimension:.3f} bits per dimension, "
        self.print(
            f"epoch {record.epoch}/{self._epochs}: test ELBO {record.elbo:.2f} "
            f"(reconstruction {record.reconstruction:.2f}, KL {record.kl:.2f}), {validation}"
            f"train {record.train_elbo:.2f} nats per image, {bits}"
            f"{record.seconds:.1f} s, {record.images_per_second:,.0f} images/s"
        )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
