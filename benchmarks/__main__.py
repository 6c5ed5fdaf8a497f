"""The command line: ``python -m benchmarks QUESTION [--quick] [--json OUT]``."""

import argparse
import importlib.metadata
import json
import platform
import sys
from pathlib import Path

import cvae_runtime

from . import graphs, inference, startup, training

PACKAGES = ("cvae-toolkit", "numpy", "onnxruntime", "tensorflow", "torch", "jax", "openvino")
QUESTIONS = {"graphs": graphs, "inference": inference, "training": training, "startup": startup}


def environment() -> dict[str, object]:
    """Where a figure comes from: versions, processor and the cores that this process may use."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    cpuinfo = Path("/proc/cpuinfo")
    models = (
        [line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if cpuinfo.exists()
        else []
    )
    processor = models[0] if models else platform.processor()
    return {
        "python": platform.python_version(),
        "versions": versions,
        "processor": processor,
        "cores": cvae_runtime.allowed_cores(),
    }


def main() -> None:
    """Run a benchmark and print its table on stdout, its progress on stderr."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Who is fastest, side by side.")
    questions = parser.add_subparsers(dest="question", required=True)
    for name, question in QUESTIONS.items():
        options = questions.add_parser(name, help=str(question.__doc__).splitlines()[0])
        options.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
        options.add_argument("--json", type=Path, metavar="OUT", help="write every round's figures there")
        if hasattr(question, "add_options"):
            question.add_options(options)
    arguments = vars(parser.parse_args())
    question, out = QUESTIONS[arguments.pop("question")], arguments.pop("json")
    result, text = question.run(**arguments, log=lambda line: print(line, file=sys.stderr, flush=True))
    where = environment()
    print(f"{question.QUESTION}; {where['processor']}, {where['cores']} cores")
    print(question.LEGEND)
    print(text)
    if out:
        out.write_text(json.dumps({"environment": where, "result": result.to_json()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
