"""Draw the pictures of docs/gallery.md with its own commands: python scripts/gallery.py [FOLDER, docs by default]."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    (folder / "images").mkdir(exist_ok=True)
    for line in re.findall(r"^cvae-generate (.*)", (DOCS / "gallery.md").read_text(), re.MULTILINE):
        program = "from cvae_runtime._commands.generate import main; main()"
        subprocess.run([sys.executable, "-c", program, *shlex.split(line), "--overwrite"], cwd=folder, check=True)
