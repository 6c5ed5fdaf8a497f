"""Untrusted text on a terminal: control characters are escaped."""

import io
import logging
import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cvae_runtime as cvae
import cvae_runtime.system
from cvae_runtime._system.printable import printable
from cvae_runtime._system.streams import print_error

CLEAR = "\x1b[2J\x1b]0;title\x07\x9b31m"
SHOWN = r"\x1b[2J\x1b]0;title\x07\x9b31m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (CLEAR, SHOWN),
        ("a\rb\x7f\x85", r"a\rb\x7f\x85"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),  # turns the direction of what follows
        ("\udcff\u2028", r"\udcff\u2028"),
        ("é 日本 😀 \u200d\n\tx", "é 日本 😀 \u200d\n\tx"),
        ("", ""),
    ],
)
def test_control_characters_are_escaped(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("name", ["plain.png", "a b", "it's", "café", "a\x1b[2J\nb", "\udcff", "back\\slash'é"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_quoted_name_works_when_it_is_pasted(name, encoding, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace"))
    print_error(f"printf %s {cvae.system.shell_quote(name)}")
    line = sys.stderr.buffer.getvalue()
    assert subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout == os.fsencode(name)


def test_values_escape_line_breaks_too():
    assert printable("a\nb\tc", keep="") == r"a\nb\tc"
    assert cvae.system.printable_values({"a\n": [CLEAR, ("b\n", 3, None)], 4: 1.5}) == {
        r"a\n": [SHOWN, [r"b\n", 3, None]],
        4: 1.5,
    }


@given(st.text())
def test_no_control_character_remains(text):
    shown = printable(text, keep="")
    assert not [character for character in shown if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")]
    assert printable(shown, keep="") == shown


def hostile(bundles, tiny_bundle):
    bundles.edit(tiny_bundle, lambda manifest: manifest["model"].update(rng=CLEAR))
    return tiny_bundle


@pytest.mark.parametrize("verbose", [(), ("-v",)])
def test_errors_are_escaped(verbose, run, bundles, tiny_bundle):
    code, _, err = run(hostile(bundles, tiny_bundle), "-o", "a.png", "--provider", "cpu", *verbose)
    assert code == 1
    assert "\x1b" not in err
    assert "\x9b" not in err
    assert err.splitlines()[-1].startswith("Error: the bundle specifies the random numbers ")


def test_file_names_are_escaped(run, tmp_path):
    code, _, err = run(tmp_path / f"{CLEAR}", "-o", "a.png")
    assert (code, err) == (
        5,
        f"Error: {tmp_path}/{SHOWN}: expected a bundle, a folder with manifest.json, found nothing; cvae-export makes one\n",
    )


def test_domains_of_graphs_are_escaped(run, bundles, tiny, tmp_path):
    import onnx

    model = onnx.load_from_string(tiny.decoder())
    model.graph.node[0].domain = CLEAR
    path = bundles.write(tmp_path / "tiny", decoder=model.SerializeToString())
    code, _, err = run(path, "-o", "a.png")
    expected = f'expected operators of the default domain alone, found the domain "{SHOWN}"; export it without'
    assert (code, err) == (5, f"Error: {path / 'decoder.onnx'}: {expected}\n")


def test_log_messages_are_escaped(run_as, monkeypatch):
    import click

    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])  # pytest's, which basicConfig would leave alone

    @click.command()
    def command():
        logging.getLogger("cvae_runtime").warning("skipped %s", CLEAR)

    code, _, err = run_as(command, "cvae-any")
    assert (code, err) == (0, f"skipped {SHOWN}\n")
