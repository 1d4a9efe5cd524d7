"""Style, types and import rules: each is checked by its own tool."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"


@pytest.mark.process
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", [
    ("-m", "ruff", "check", "--quiet", "."), ("-m", "mypy", "--no-error-summary"), ("-c", LINT_IMPORTS, "--no-logo"),
], ids=["style", "types", "imports"])
def test_a_tool_finds_nothing_to_say(command: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
