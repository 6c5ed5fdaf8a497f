"""Options of several console scripts."""

from typing import get_args

import click

from .._bundle import Precision
from .._engine import PROVIDERS
from ..cli import Decorated


def image_options(function: Decorated) -> Decorated:
    """Add how images that do not fit a model are brought to it, which the function takes by the options' names."""
    for option in (
        click.option("--invert", is_flag=True, help="Swap light and dark, for dark digits on white paper."),
        click.option("--gray", is_flag=True, help="Turn colour images grey."),
        click.option("--resize", is_flag=True, help="Scale and crop images to the model's size."),
    ):
        function = option(function)
    return function


def model_options(function: Decorated) -> Decorated:
    """Add what a model runs on, which the function takes by the options' names."""
    for option in (
        click.option("--threads", type=int, help="How many run at a time.  [default: all cores]"),
        click.option("--precision", type=click.Choice(get_args(Precision)), default="float32", show_default=True),
        click.option("--provider", type=click.Choice(["auto", *PROVIDERS]), default="auto", show_default=True),
    ):
        function = option(function)
    return function
