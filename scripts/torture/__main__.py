"""Attack the packages and count the outcomes: python -m scripts.torture [ATTACK …] --seconds 600 --seed N.

Prints the seed, a table of outcomes, and each defect with its reproduction. Exits with 1 if there are defects.
"""

import argparse
import importlib
import secrets
import sys
import time

from ._counts import Counts

ATTACKS = ("kills", "places", "inputs", "bundles", "numbers", "load", "soak")


def main() -> None:
    """Run the requested attacks."""
    parser = argparse.ArgumentParser(prog="python -m scripts.torture", description=str(__doc__).splitlines()[0])
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"of {', '.join(ATTACKS)}; by default all")
    parser.add_argument(
        "--seconds", type=float, default=600, help="approximate time of all attacks together; default: 600"
    )
    parser.add_argument("--seed", type=int, help="by default a random one")
    arguments = parser.parse_args()
    if unknown := set(arguments.attacks) - set(ATTACKS):
        parser.error(f"no attack is called {', '.join(sorted(unknown))}; choose from {', '.join(ATTACKS)}")
    attacks = arguments.attacks or list(ATTACKS)
    seed = secrets.randbelow(2**32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    found = []
    for name in attacks:
        begin = time.monotonic()
        attack = importlib.import_module(f"{__package__}.{name}").run_attack
        counts: Counts = attack(arguments.seconds / len(attacks), seed)
        print(f"\n{name}: {counts.attempts:,} attempts in {time.monotonic() - begin:.0f} seconds")
        for outcome, count in sorted(counts.outcomes.items()):
            print(f"  {count:>9,}  {outcome}")
        for line in counts.defects:
            print(f"  defect  {line}", flush=True)
        found += counts.defects
    print(f"\n{len(found)} defects", flush=True)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
