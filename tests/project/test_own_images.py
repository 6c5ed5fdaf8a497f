"""The commands of docs/own-images.md work in their order, and end with the next commands that it shows."""

import re
import shlex
from pathlib import Path

from cvae_export import _cli as export_cli
from cvae_runtime import read_bundle
from cvae_runtime._commands import encode as encode_cli
from cvae_train import _cli as train_cli
from cvae_train import _cli_evaluate as evaluate_cli

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "cvae-train": train_cli.command,
    "cvae-evaluate": evaluate_cli.command,
    "cvae-export": export_cli.command,
    "cvae-encode": encode_cli.command,
}
SMALL = {  # instead of minutes, seconds
    " --minutes 3": " --epochs 1 --architecture residual --filters 4,4 --latent-dim 2",
    "cvae-evaluate runs/0001": "cvae-evaluate runs/0001 --samples 2 --images 3",
}


def test_commands_of_the_guide(whole_console, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("examples").symlink_to(ROOT / "examples")
    text = (ROOT / "docs/own-images.md").read_text()
    lines = re.findall(r"^```\n(cvae-.*)\n```$", text.partition("\n## Take your own folder\n")[0], re.MULTILINE)
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    shown = set(re.findall(r"^  (cvae-.*)$", text, re.MULTILINE))
    assert {line.split()[0] for line in shown} == {
        "cvae-evaluate",
        "cvae-export",
        "cvae-verify",
        "cvae-generate",
        "cvae-web",
    }
    for line in lines:
        small = line
        for whole, part in SMALL.items():
            small = small.replace(whole, part)
        name, *arguments = shlex.split(small)
        code, _, err = whole_console(COMMANDS[name], name, *arguments)
        assert code == 0, err
        if name != "cvae-encode":
            following = err.rsplit("next:\n", 1)[1].split("\n")
            assert {command.strip() for command in following if command} <= shown
    assert read_bundle("runs/0001-bundle").manifest.model.image_shape == (64, 64, 3)
    assert Path("codes_anomalies.png").is_file()
