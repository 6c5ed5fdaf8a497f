"""Check the prose of documents, docstrings, messages and comments: python scripts/prose.py [FILE ...].

The rules are in prose.toml beside this file. Prints each finding with its place, then the counts. Exits with 1 if there
are findings.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
STYLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
PHRASES = {re.compile(pattern, re.IGNORECASE | re.DOTALL): remedy for pattern, remedy in STYLE["phrases"].items()}
CODE = re.compile(r"``.+?``|`[^`]+`", re.DOTALL)
PROGRAM = re.compile(r"^ *(import \w|from \S+ import |const )", re.MULTILINE)  # a string that another process runs
EXAMPLE = re.compile(r"^ *>>> .*?(?=\n\s*\n|\Z)", re.DOTALL | re.MULTILINE)  # of a docstring: code, not prose
SENTENCE = re.compile(r"\S.*?(?:[.!?](?=[\s\"')*]*(?:\s+[A-Z(\"'`*]|$))|$)", re.DOTALL)


class Finding(NamedTuple):
    """A sentence that breaks a rule: its line, the rule, the remedy and its text."""

    line: int
    rule: str
    remedy: str
    text: str


Unit = tuple[int, str]  # the number of the first line, and a paragraph, an item, a cell or a message


def markdown(text: str) -> Iterator[Unit]:
    """Yield paragraphs, list items and table cells; skip headings and code blocks."""
    text = re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    yield from paragraphs(1, re.sub(r"^#.*$", "", text, flags=re.MULTILINE), r"^ *(?:[-*]|\d+\.) |^\||(?<!\\)\| ")


def paragraphs(line: int, text: str, start: str) -> Iterator[Unit]:
    """Cut a text at blank lines, and where an item starts."""
    for part in re.split(rf"(\n\s*\n|(?:{start}))", text, flags=re.MULTILINE):
        stripped = part.lstrip()
        yield line + part[: len(part) - len(stripped)].count("\n"), stripped.rstrip(" |\n")
        line += part.count("\n")


def python(text: str) -> Iterator[Unit]:
    """Paragraphs and arguments of docstrings, other strings of several words except programs, comments."""
    nodes = list(ast.walk(ast.parse(text)))
    docstrings = [node.value for node in nodes if isinstance(node, ast.Expr)]
    for node in nodes:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or node.value.count(" ") < 3:
            continue
        if node in docstrings or not PROGRAM.search(node.value):
            prose = EXAMPLE.sub(lambda block: "\n" * block[0].count("\n"), node.value)
            yield from paragraphs(node.lineno, prose, r"^\s*[\w*, ]+:(?= |$)|^\s*\{|^\s*\|")
    alone = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            unit = token.start[0], token.string.lstrip("#! ")
            if token.line.lstrip().startswith("#"):
                alone.append(unit)
            else:
                yield unit
    yield from comments(alone)


def typescript(text: str) -> Iterator[Unit]:
    """Comments."""
    for match in re.finditer(r"/\*\*?(.*?)\*/", text, re.DOTALL):
        comment = re.sub(r"^ *\* ?", "", match[1], flags=re.MULTILINE)
        yield from paragraphs(text[: match.start()].count("\n") + 1, comment, r"^@\w+")
    lines = enumerate(text.splitlines(), 1)
    yield from comments((number, found[1]) for number, line in lines if (found := re.search(r"(?:^|\s)// (.*)", line)))


def comments(lines: Iterable[Unit]) -> Iterator[Unit]:
    """Join comments in adjacent lines; skip instructions for tools."""
    first, text, last = 0, "", -1
    for number, comment in lines:
        if number != last + 1:
            yield first, text
            first, text = number, ""
        text, last = f"{text}\n{comment}" if text else comment, number
    yield first, text


def check(path: Path) -> Iterator[Finding]:
    """Yield the findings of a file."""
    read = {".md": markdown, ".py": python, ".ts": typescript}[path.suffix]
    for line, text in read(path.read_text(encoding="utf-8")):
        plain = CODE.sub(lambda code: "`code`" + "\n" * code[0].count("\n"), text)
        for match in SENTENCE.finditer(plain):
            sentence = match[0]
            here = line + plain[: match.start()].count("\n")
            if (words := len(sentence.split())) > STYLE["longest_sentence"]:
                yield Finding(here, "long", f"{words} words; make several sentences", sentence)
            for phrase, remedy in PHRASES.items():
                if found := phrase.search(sentence):
                    at = here + sentence[: found.start()].count("\n")
                    name = "clause" if phrase.pattern.startswith("^") else " ".join(found[0].lower().split())
                    yield Finding(at, name, remedy, sentence)


def main(paths: list[Path]) -> int:
    """Print the findings and their counts; return the exit code."""
    globs = [pattern for kind in ("markdown", "python", "typescript") for pattern in STYLE[kind]]
    files = paths or [path for glob in globs for path in sorted(ROOT.glob(glob)) if "node_modules" not in path.parts]
    counts: Counter[str] = Counter()
    for path in dict.fromkeys(path.resolve() for path in files):
        for line, rule, remedy, text in sorted(check(path)):
            counts[rule] += 1
            place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            print(f"{place}:{line}: {rule}: {remedy}: {' '.join(text.split())[:100]}")
    print(f"{counts.total()} findings", *(f"{rule} {count}" for rule, count in counts.most_common()), sep="\n  ")
    return int(bool(counts))


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
