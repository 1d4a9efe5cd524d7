"""The lines of `docs/by-hand.md`, run as a reader would type them.

    ```console blocks ─► one shell, line by line ─► each printed line is compared with the document's, `…` is any text
    ```python block   ─► run here               ─► compared with the ```text block
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "by-hand.md"
FIRST_PORT = 8700
PATIENCE_S = 30.0
TERMINAL = re.compile(rb"\x1b(\[[0-9;]*[A-Za-z]|[78])|\r")
PROMPTS = re.compile(r"^(> )+")
END = "that-was-all"


def blocks(language: str, port: int) -> list[str]:
    """Return the document's blocks of a language, with the ports that start at `port` in place of its own."""
    text = re.sub(r"\b870(\d)\b", lambda found: str(port + int(found[1])), DOCUMENT.read_text(encoding="utf-8"))
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(port: int) -> Iterator[tuple[str, list[str]]]:
    """Return each command of the document with the lines below it."""
    for block in blocks("console", port):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield command, [line for line in shown if line]


def pattern(line: str) -> re.Pattern[str]:
    """Return the pattern of a line in which `…` is any text."""
    return re.compile(".*".join(map(re.escape, line.split("…"))) + r"\s*")


class Shell:
    """A shell that is typed into, and what it has printed since the last command."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["bash"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.printed = b""

    def type(self, line: str) -> None:
        """Type a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def wait_for(self, shown: str) -> None:
        """Read until a line like `shown` is printed; what was printed up to it is done with."""
        assert self.process.stdout is not None
        wanted, deadline = pattern(shown), time.monotonic() + PATIENCE_S
        while True:
            *lines, rest = TERMINAL.sub(b"", self.printed).decode(errors="replace").split("\n")
            place = next((place for place, line in enumerate(lines) if wanted.fullmatch(PROMPTS.sub("", line))), None)
            if place is not None:
                self.printed = "\n".join([*lines[place + 1:], rest]).encode()
                return
            left_s = deadline - time.monotonic()
            came = left_s > 0 and select.select([self.process.stdout], [], [], left_s)[0]
            assert came, (shown, self.printed)
            read = os.read(self.process.stdout.fileno(), 65536)
            assert read, (shown, self.printed)
            self.printed += read


def walk(port: int) -> None:
    """Run every line of the document against the servers on the ports after `port`."""
    (serve, nothing), *others = commands(port)
    assert (serve, nothing) == (".venv/bin/tickertape serve quick", [])
    python = shlex.quote(sys.executable)   # the tests have an environment of their own
    shell = Shell()
    try:
        for command, shown in others:
            command = command.replace(".venv/bin/python", python)
            shell.type(f"{command}; echo {END}")   # in one line: a program that reads must not get the next one
            for line in shown:
                if line.startswith("> "):
                    shell.type(line.removeprefix("> "))
                else:
                    shell.wait_for(line)
            shell.wait_for(END)
    finally:
        shell.process.kill()
        shell.process.communicate()
    for program, expected in zip(blocks("python", port), blocks("text", port), strict=True):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(program, str(DOCUMENT), "exec"), {})
        assert printed.getvalue() == expected, printed.getvalue()
