"""The prose linter finds the phrases of its rules, and little else."""

import pytest

from scripts import prose


@pytest.fixture
def found(tmp_path):
    """Return a function that checks a text and returns the lines and rules of the findings."""

    def check(text, suffix=".md"):
        path = tmp_path / f"file{suffix}"
        path.write_text(text)
        return [(finding.line, finding.rule) for finding in prose.check(path)]

    return check


def words(count):
    return " ".join(["Word"] * count) + "."


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("The user is told why.", "told"),
        ("Set it for whoever reads it.", "whoever"),
        ("It is nobody's fault.", "nobody"),
        ("It opens such a file.", "such a"),
        ("Sizes thereof.", "thereof"),
        ("It takes 0.61 of our time.", "0.61 of"),
        ("WebGPU, or WebAssembly else.", "else."),
        ("What is left is an error.", "clause"),
    ],
)
def test_phrases_are_found(found, text, rule):
    assert found(f"A line.\n\n{text}\n") == [(3, rule)]


@pytest.mark.parametrize(
    "text", ["What is a bundle?", "`told`", "```\ntold\n```", "# What was told", "Everything else."]
)
def test_questions_code_and_headings_pass(found, text):
    assert found(f"{text}\n") == []


def test_sentences_end_with_punctuation_items_and_cells(found):
    assert found(f"{words(35)} {words(35)}\n- {words(20)}\n- {words(20)}\n") == []
    assert found(f"| {words(20)} | {words(20)} |\n") == []
    assert found(f"{words(20)}\n{words(30)[:-1]}\n{words(6)}\n") == [(2, "long")]


def test_docstrings_messages_and_comments_are_read(found):
    text = '''"""Say it."""

def f():
    """A summary.

    Args:
        x: what is told.
    """
    raise ValueError(f"{x} of these files are bad")

# Two lines of which the second
# is mended.
x = told = such_a = 0  # noqa: F841
y = 0  # told
z = "import os; told = 0 or 1"
'''
    assert found(text, ".py") == [(7, "told"), (9, "of these"), (14, "told"), (12, "mended")]


def test_comments_of_typescript_are_read(found):
    assert found("/**\n * Reads it.\n * Nobody does.\n */\nconst told = 1; // in the place of two\n", ".ts") == [
        (3, "nobody"),
        (5, "in the place of"),
    ]


def test_command_prints_places_and_counts(capsys, tmp_path):
    path = tmp_path / "page.md"
    path.write_text("It is told.\n")
    assert prose.main([path]) == 1
    assert capsys.readouterr().out == (
        f"{path}:1: told: say who prints, returns or raises what: It is told.\n1 findings\n  told 1\n"
    )
    path.write_text("It prints the reason.\n")
    assert prose.main([path]) == 0
    assert capsys.readouterr().out == "0 findings\n"


def test_examples_of_docstrings_are_code(found):
    text = (
        '"""Say it.\n\nExamples:\n    >>> print("the user is told nothing")\n    nobody is told\n\nIt is told.\n"""\n'
    )
    assert found(text, ".py") == [(7, "told")]
