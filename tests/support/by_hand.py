"""The lines of `docs/by-hand.md`, run as a reader would type them.

    $ tickertape serve X   begins a part: what follows it is run against the servers of X
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
import signal
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
SERVE = "$ .venv/bin/tickertape serve "


def parts() -> dict[str, str]:
    """Return the document's text after each line that serves a scenario, by the scenario's name."""
    texts = DOCUMENT.read_text(encoding="utf-8").split(f"```console\n{SERVE}")[1:]
    names = [text.partition("\n")[0] for text in texts]
    assert len(set(names)) == len(names), names
    return {name: text.partition("```\n")[2] for name, text in zip(names, texts, strict=True)}


def blocks(part: str, language: str, port: int) -> list[str]:
    """Return the blocks of a language in a part, with the ports that start at `port` in place of the document's."""
    text = re.sub(r"\b870(\d)\b", lambda found: str(port + int(found[1])), part)
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(part: str, port: int) -> Iterator[tuple[str, list[str]]]:
    """Return each command of a part with the lines below it."""
    for block in blocks(part, "console", port):
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

    def interrupt(self) -> None:
        """Press Ctrl-C while a program runs."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        assert len(children) == 1, children
        os.kill(int(children[0]), signal.SIGINT)


def walk(port: int, scenario: str) -> None:
    """Run every line of a scenario's part against its servers, on the ports after `port`."""
    part = parts()[scenario]
    python = shlex.quote(sys.executable)   # the tests have an environment of their own
    shell = Shell()
    try:
        for command, shown in commands(part, port):
            command = command.replace(".venv/bin/python", python)
            shell.type(f"{command}; echo {END}")   # in one line: a program that reads must not get the next one
            for line in shown:
                if line.startswith("> "):
                    shell.type(line.removeprefix("> "))
                elif line == "^C":
                    shell.interrupt()
                else:
                    shell.wait_for(line)
            shell.wait_for(END)
    finally:
        shell.process.kill()
        shell.process.communicate()
    for program, expected in zip(blocks(part, "python", port), blocks(part, "text", port), strict=True):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(program, str(DOCUMENT), "exec"), {})
        assert printed.getvalue() == expected, printed.getvalue()
