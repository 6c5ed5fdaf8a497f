"""The notebook's network, which every framework of the comparisons can build: a trained run and its bundle.

The packaged model is another one: its residual network, its learned prior and its labels exist in no peer.
"""

from pathlib import Path

RUN = Path(__file__).parent / "notebook" / "run"
BUNDLE = Path(__file__).parent / "notebook" / "bundle"
