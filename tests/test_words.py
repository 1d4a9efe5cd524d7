"""The words of code, docs, reports and help: standard ones, in plain present-day English.

A word that is listed here has a standard one in its place; `docs/definitions.md` has the terms. Docstrings open with a
verb and its object, or say what the thing is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = ("bench", "benchmarks", "tests")
TEXTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "scenarios", "notebooks",
         "results/README.md", "Makefile")
ENDINGS = {".py", ".md", ".toml", ".j2", ".css", ".ipynb"}
THINGS = "update|client|second|core|worker|month|poll|request|message|tick|connection|gigabyte|answer"
UNITS = ("bytes|CPU|ms|s|µs|kB|requests|wake-ups|preemptions|segments|updates|ticks|polls|connections|clients|attempts|"
         "cost|memory")

INSTEAD = {
    r"fore(?:told|tells?|telling|see|sees|seen|saw|seeing)": "predict",
    r"dear(?:er|est|ly)?": "expensive",
    r"(?<!still )stands?(?! for\b| still\b|-in\b)": "is",
    r"in no figures?": "excluded",
    r"even(?:ly)? (?:shares?|draws?|drawn|distributed|split)|drawn evenly": "uniform, equal",
    rf"(?:{UNITS}) an? (?:{THINGS})": "per",
    r"so many|so much(?! as\b)": "the number itself",
    r"gave in|gives in": "reached its limit",
    r"seldom": "rarely",
    r"knees?(?!\*)": "capacity limit",
    r"kept connections?": "persistent connection",
}
"""Each word that is gone, as a regular expression, and its replacement. Allowed are the *knee*, "stands for",
"stands still", a "stand-in", and "so much as"."""
NAMES = {"told", "foretold", "foreseen", "dear", "books", "twins", "crew", "world", "worlds", "station",
         "tally", "agenda", "rhythm", "leeway", "journal", "belief", "plate", "plates", "knee", "knees",
         "looks", "looked"}
"""Words that no name in `bench` and `benchmarks` is made of."""
NOT_HTTP = ("bench/cli", "bench/report", "bench/simulation/decision", "bench/uplink", "bench/transports/outgoing.py")
"""Modules in which an answer is that to a user's question, or to a client's message."""
KEPT = {"answer_s", "answers", "answers_empty"}
"""Names in files of runs and costs: responses (`answers_empty`), or responses and pushed messages."""
OPENINGS = re.compile(r"\s*(?:What|How|Whether|Who|The same)\b")
NO_VERBS = "The|An|All|Each|Every|Everybody|One|Two|Some|No|Nothing|Of|By|From|With|If|Until|It|Why|Where|When"
VERB = re.compile(rf"\s*(?!(?:{NO_VERBS})\b)(?:[A-Z][a-z]*[a-rt-z]|[A-Z][a-z]*ss)\b")
"""The opening of a function's docstring: a verb, as one tells somebody to do it, so without the ending of "returns"."""
THINGS_TOO = {"property", "cached_property", "fixture"}
"""Decorators of functions that are fields to their users, and are described as such."""


def _files() -> Iterator[Path]:
    for place in (*CODE, *TEXTS):
        path = ROOT / place
        for each in [path] if path.is_file() else sorted(path.rglob("*")):
            if each.is_file() and (each.suffix in ENDINGS or each.name == "Makefile") and each != Path(__file__):
                yield each


FILES = [path.relative_to(ROOT) for path in _files()]
MODULES = [path for path in FILES if path.suffix == ".py" and path.parts[0] != "tests"]
TESTS = [path for path in FILES if path.suffix == ".py" and path.parts[0] == "tests"]


@cache
def _parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text())


def test_words_that_have_a_standard_one_are_gone() -> None:
    found = []
    for file in FILES:
        text = re.sub(r"[\s\"#]+", " ", (ROOT / file).read_text())
        found += [f"{file}: {match[0]!r} ({instead}): …{text[max(0, match.start() - 40):match.end() + 40]}…"
                  for word, instead in INSTEAD.items()
                  for match in re.finditer(rf"\b(?:{word})\b", text, re.IGNORECASE)]
    assert not found, "\n".join(found)


def test_a_functions_docstring_opens_with_a_verb() -> None:
    """That of a test may say more of its law instead."""
    found = []
    for module in (*MODULES, *TESTS):
        for node in ast.walk(_parsed(module)):
            if (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("test_")
                    and (said := ast.get_docstring(node))):
                decorators = {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in node.decorator_list}
                if not decorators & THINGS_TOO and not VERB.match(said):
                    found.append(f"{module}:{node.lineno}: {said[:60]}")
    assert not found, "\n".join(found)


def test_names_are_made_of_standard_words() -> None:
    found = []
    for module in MODULES:
        names = {name for node in ast.walk(_parsed(module)) for name in _named(node)}
        found += [f"{module}: {name}" for name in sorted(names) if NAMES & set(name.lower().strip("_").split("_"))]
    assert not found, "\n".join(found)


def test_what_a_server_sends_for_a_request_is_a_response() -> None:
    found = []
    for module in MODULES:
        if module.parts[0] == "bench" and not module.as_posix().startswith(NOT_HTTP):
            names = {name for node in ast.walk(_parsed(module)) for name in _named(node)}
            found += [f"{module}: {name}" for name in sorted(names - KEPT)
                      if re.search(r"answers?(?![a-z])|Answer", name)]
    assert not found, "\n".join(found)


def _named(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg


def test_a_docstring_opens_with_a_verb_or_says_what_the_thing_is() -> None:
    found = [f"{module}:{node.lineno}: {node.value.value[:60]}" for module in (*MODULES, *TESTS)
             for node in ast.walk(_parsed(module))
             if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
             and isinstance(node.value.value, str) and OPENINGS.match(node.value.value)]
    assert not found, "\n".join(found)
