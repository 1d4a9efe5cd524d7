"""The layout is kept by a test: tests mirror modules, transports have the same files, texts are clean."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from bench import transports
from bench.scenario.model import OWN_SERVER
from bench.transports.description import FEED_MODULE

ROOT = Path(__file__).parent.parent
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "bench").rglob("*.py"))


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text())


PARTS = {"__init__.py", "protocol.py", "client.py", "model.py"}


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
    assert set(transports.own_names()) >= {"short_polling", "long_polling", "websocket"}
    for name in transports.names():
        folder = Path(transports.part(name, "protocol").__file__ or "").parent
        assert {path.name for path in folder.glob("*.py")} == PARTS, name
        assert (folder / "servers" / f"{transports.DEFAULT_SERVER}.py").is_file()
        assert OWN_SERVER not in transports.servers(name), "that word is for a server of the user's own"


OF_HTTP = {"Upgrade: websocket"}
"""Texts that name a protocol as its standard does, and no transport."""


@pytest.mark.parametrize("module", [each for each in MODULES if each.parts[1] != "transports"], ids=str)
def test_no_code_outside_names_a_transport(module: Path) -> None:
    said = [*transports.names(), *(transports.describe(name).title for name in transports.names())]
    named = re.compile(rf"(?<![A-Za-z-])({'|'.join(said)})(?![A-Za-z-])", re.IGNORECASE)
    tree = parsed(module)
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in set(ast.walk(tree)) - docstrings:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in OF_HTTP:
            assert not named.search(node.value), f"{module}:{node.lineno}: {node.value}"


def test_no_file_of_a_page_names_a_transport() -> None:
    said = [*transports.names(), *(transports.describe(name).title for name in transports.names())]
    named = re.compile(rf"(?<![A-Za-z-])({'|'.join(said)})(?![A-Za-z-])", re.IGNORECASE)
    folders = [ROOT / "bench" / "experiment" / "live" / "static", ROOT / "bench" / "load" / "browser" / "static"]
    files = [FEED_MODULE, *(file for folder in folders for file in folder.iterdir())]
    assert len(files) > len(folders)
    assert [path.name for path in files if named.search(path.read_text())] == []


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_opens_with_its_theory_and_stays_small(module: Path) -> None:
    text = (ROOT / module).read_text()
    tree = parsed(module)
    assert ast.get_docstring(tree), f"{module} does not say what it is"
    assert text.count("\n") <= 600, f"{module} is longer than one idea"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{module}:{node.lineno}: {node.name} has {length} lines"


FOLDERS = sorted({module.parent for module in MODULES} - {Path("bench")})
LISTED = re.compile(r"^    ([a-z_]+)  +\S", re.MULTILINE)


@pytest.mark.parametrize("folder", [Path("bench"), *FOLDERS], ids=str)
def test_a_folder_lists_its_modules_in_reading_order(folder: Path) -> None:
    doc = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text()), clean=False) or ""
    _, heading, listed = doc.partition("Modules, in reading order:")
    there = {path.stem for path in (ROOT / folder).glob("*.py")} | {
        path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
    if folder.parent == Path("bench/transports"):
        return   # the four parts of every transport are described in another form
    assert heading, f"{folder}/__init__.py does not list its modules"
    assert set(LISTED.findall(listed)) == {name for name in there if not name.startswith("_")}


def test_no_folder_is_a_flat_pile() -> None:
    at_the_top = [module for module in MODULES if module.parent == Path("bench") and module.name[0] != "_"]
    assert len(at_the_top) <= 4
    for folder in FOLDERS:
        count = sum(module.parent == folder and module.name[0] != "_" for module in MODULES)
        assert count <= 14, f"{folder} has {count} modules"


def test_the_architectures_table_is_in_the_order_of_the_imports() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [each.strip().replace(".", "/") for layer in contracts[0]["layers"] for each in layer.split("|")]
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^\| `(bench/[a-z_]+)(?:/|\.py)?`", text, re.MULTILINE)
    assert rows == [layer for layer in layers if layer in rows]
    assert set(rows) == set(layers)


def test_the_architectures_inner_orders_are_those_of_the_imports() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    known = {each["containers"][0].partition(".")[2]: [
        {name.strip() for name in layer.split("|")} for layer in each["layers"]]
        for each in contracts if "containers" in each}
    rows = re.findall(r"^\| ([a-z]+) \| (`.*→.*) \|$", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    said = {name: [set(re.findall(r"`([a-z_]+)`", layer)) for layer in order.split("→")] for name, order in rows}
    assert said == known


def test_only_figures_draw() -> None:
    drawing = {module for module in MODULES if module.parts[1] == "report" and any(
        (node.module or "").startswith("matplotlib") for node in ast.walk(parsed(module))
        if isinstance(node, ast.ImportFrom))}
    assert {module.parts[2] for module in drawing} <= {"figures", "style.py", "explore.py"}


def test_lock_files_hold_names_versions_and_hashes_only() -> None:
    line = re.compile(r"[A-Za-z0-9._-]+==[^ ]+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    for path in (ROOT / "requirements").glob("*.txt"):
        for number, text in enumerate(path.read_text().splitlines(), 1):
            assert line.fullmatch(text), f"{path.name}:{number}: {text}"


def test_every_slow_test_that_is_listed_exists() -> None:
    for line in (ROOT / "tests" / "slow.txt").read_text().split():
        path, _, name = line.partition("::")
        assert name == "*" or f"\ndef {name}(" in (ROOT / path).read_text(), line
        assert (ROOT / path).is_file(), line
