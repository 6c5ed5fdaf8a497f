"""Progress of a training run on stderr: a bar on a terminal, a line an epoch otherwise."""

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from .._run import EpochRecord


class Progress:
    """Shows where a run is.

    Args:
        epochs: how many the run has.
        images: how many an epoch trains on.
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

    def say(self, line: str) -> None:
        """Print a line."""
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)

    def begin(self, epoch: int) -> None:
        """An epoch begins."""
        if not self._quiet and sys.stderr.isatty():
            self._bar = tqdm(
                total=self._images,
                desc=f"epoch {epoch}/{self._epochs}",
                unit=" images",
                leave=False,
                dynamic_ncols=True,
            )
            self._later = self._epochs - epoch

    def images(self, done: int, elbo: float) -> None:
        """So many images of the epoch are done, and the last ones had this ELBO while they were trained on."""
        if self._bar is not None:
            rate = self._bar.format_dict["rate"] or 0.0
            left = (
                f", run {tqdm.format_interval(self._later * self._images / rate)} more" if rate and self._later else ""
            )
            self._bar.set_postfix_str(f"train ELBO {elbo:.2f}{left}", refresh=False)
            self._bar.update(done - self._bar.n)

    def end(self, record: EpochRecord, bits_per_dimension: float | None = None) -> None:
        """The epoch is whole and saved."""
        self._close()
        validation = "" if record.validation_elbo is None else f"validation {record.validation_elbo:.2f}, "
        bits = "" if bits_per_dimension is None else f"{bits_per_dimension:.3f} bits per dimension, "
        self.say(
            f"epoch {record.epoch}/{self._epochs}: test ELBO {record.elbo:.2f} "
            f"(reconstruction {record.reconstruction:.2f}, KL {record.kl:.2f}), {validation}"
            f"train {record.train_elbo:.2f} nats per image, {bits}"
            f"{record.seconds:.1f} s, {record.images_per_second:,.0f} images/s"
        )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
