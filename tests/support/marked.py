"""Marks on processes, by which everything that a test started can be found."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

import psutil


@dataclass
class Mark:
    """An environment variable that everything a test starts inherits."""

    value: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def environment(self) -> dict[str, str]:
        return {"TICKERTAPE_TEST_MARK": self.value}

    def alive(self) -> list[psutil.Process]:
        """Return the processes that carry the mark."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TICKERTAPE_TEST_MARK") == self.value:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def left_after(self, patience_s: float = 20.0) -> list[psutil.Process]:
        """Return the processes that are still alive once all have had time to end."""
        deadline = time.monotonic() + patience_s
        while (alive := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return alive
