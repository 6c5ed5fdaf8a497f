"""The same sources build the same wheel, byte for byte."""

import hashlib
import shutil
import subprocess
import sys

from tests.project.test_distribution import ROOT


def test_wheels_are_reproducible(tmp_path):
    digests = []
    for number in range(2):
        # Copies in other folders and with other times, as on two machines.
        source, out = tmp_path / f"source{number}", tmp_path / f"dist{number}"
        source.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(ROOT / name, source / name)
        for name in ("runtime/cvae_runtime", "train/cvae_train", "export/cvae_export"):
            shutil.copytree(
                ROOT / name, source / name, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__")
            )
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        (wheel,) = out.glob("*.whl")
        digests.append((wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest()))
    assert digests[0] == digests[1]
