"""The layout is kept by a test: tests mirror modules, transports have the same files, texts are clean."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bench import transports

ROOT = Path(__file__).parent.parent
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "bench").rglob("*.py"))
PARTS = {"__init__.py", "protocol.py", "server.py", "client.py", "model.py"}


def test_a_modules_test_is_where_one_looks_for_it() -> None:
    missing = []
    for module in MODULES:
        if module.name == "__init__.py":
            continue
        name = "main" if module.name == "__main__.py" else module.stem
        test = ROOT / "tests" / Path(*module.parts[1:-1]) / f"test_{name}.py"
        if not test.exists():
            missing.append(f"{module} has no {test.relative_to(ROOT)}")
    assert not missing, "\n".join(missing)


def test_every_transport_has_the_same_files() -> None:
    assert set(transports.names()) >= {"short_polling", "long_polling", "websocket"}
    for name in transports.names():
        folder = ROOT / "bench" / "transports" / name
        assert {path.name for path in folder.glob("*.py")} == PARTS, name


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_opens_with_its_theory_and_stays_small(module: Path) -> None:
    text = (ROOT / module).read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{module} does not say what it is"
    assert text.count("\n") <= 600, f"{module} is longer than one idea"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{module}:{node.lineno}: {node.name} has {length} lines"


def test_lock_files_hold_names_versions_and_hashes_only() -> None:
    line = re.compile(r"[A-Za-z0-9._-]+==[^ ]+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    for path in (ROOT / "requirements").glob("*.txt"):
        for number, text in enumerate(path.read_text().splitlines(), 1):
            assert line.fullmatch(text), f"{path.name}:{number}: {text}"
