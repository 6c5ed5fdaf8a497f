"""``cvae-doctor``: test every provider on this machine, and print fixes."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .. import cli
from .._errors import ProviderError

if TYPE_CHECKING:
    from .diagnose import Diagnosis


@click.command(cls=cli.SectionedCommand, sections={}, examples=["cvae-doctor", "cvae-doctor --json > machine.json"])
@cli.json_option
@cli.common_options
def command(as_json: bool, **_: bool) -> int:
    """Test every provider of the installed ONNX Runtime, and print fixes for problems.

    Each provider runs the packaged MNIST model, and its outputs are compared with golden vectors. The exit code is 0 if
    at least one provider works, otherwise 4.
    """
    from .._bundle import read_bundle
    from .diagnose import diagnose

    cli.check_json(as_json)
    found = diagnose(read_bundle())
    if as_json:
        cli.print_json(dataclasses.asdict(found))
    else:
        print(as_text(found))
    return 0 if any(trial.works for trial in found.trials) else ProviderError.exit_code


def as_text(found: "Diagnosis") -> str:
    """Format a diagnosis as lines of text."""
    threads = found.threads
    quota = "none" if threads["quota"] is None else f"{threads['quota']:.4g}"
    lines = [f"{name:14}{version or 'not installed'}" for name, version in found.versions.items()]
    lines += [f"{'installed':14}{name} {version}" for name, version in found.onnxruntimes.items()]
    lines += [f"{'threads':14}{threads['allowed']} (affinity {threads['affinity']}, quota {quota})"]
    lines += [f"{'memory':14}{found.memory / 2**30:.1f} GiB available"]
    lines += [f"{'device':14}{device}" for device in found.devices]
    lines += [f"{'instructions':14}{line}" for line in _meaning(found.instructions)]
    for trial in found.trials:
        words = ["works" if trial.works else "FAILS"]
        words += [] if trial.worst is None else [f"golden vectors differ by up to {trial.worst:.2g} of their tolerance"]
        nodes = [f"{count} on {name}" for name, count in (trial.nodes or {}).items()]
        words += [f"nodes of the decoder: {', '.join(nodes)}"] if nodes else []
        lines += [f"{trial.provider:14}{', '.join(words)}"]
    lines += [f"{'not used':14}{name}" for name in found.unused]
    for problem in found.problems:
        lines += ["", f"problem: {problem.what}", f"    fix: {problem.fix}"]
    return "\n".join(lines)


def _meaning(instructions: Sequence[str]) -> list[str]:
    """Describe what the instructions of an x86 processor mean for graphs and training; empty for others."""
    if "AVX2" not in instructions:
        return []
    int8 = (
        "sums of int8 graphs cannot overflow" if "VNNI" in instructions else "16-bit sums of int8 graphs can overflow"
    )
    precision = "bfloat16" if "bfloat16" in instructions else "float32"
    return [f"{', '.join(instructions)}: {int8}; derived recipes train in {precision}"]


def main() -> None:
    """Entry point of ``cvae-doctor``."""
    cli.run(command)
