"""The load of a trial: one process, or several that share its clients (`load.processes`).

    runner ──lifeline──► worker 1     clients 0, 2, 4 …     worker-1/deliveries.raw …
           └─lifeline──► worker 2     clients 1, 3, 5 …     worker-2/deliveries.raw …

A lifeline is a process's control socket to the runner (`bench.lifeline`). Each worker is a Locust process of
its own with its share of the clients, and exchanges the same messages with the runner as a single one does.
All receive the same windows, and each writes its own raw records, which `measure.recording.convert` merges. A
trial uses no Locust master: if a heartbeat is late or a worker is gone, a master moves its clients to other
workers and continues. Here a worker's supervisor reports its death at once, which fails the trial.

The counts that the workers report are added up, except for extremes, of which the largest counts; each
worker's own report is kept in `workers`. Workers are assigned in turn to the cores that are not the server's.
The load's CPU use is that of the core that it uses most. The pages of a browser have one load process, whatever
`load.processes` says; the browser's own processes count as that one's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.experiment.trial import commands
from bench.experiment.trial.processes import Child, TrialProcesses
from bench.records.trial_record import Usage

LARGEST = frozenset({
    "turn_gap_p99_ns", "turn_gap_max_ns", "clock_step_ns", "spawn_ns",
})
"""Facts of which the largest counts; all other numbers are added up."""


class LoadWorkers:
    """The load's processes, controlled as one."""

    def __init__(self, trial_processes: TrialProcesses, folder: Path, config: Mapping[str, Any], processes: int,
                 cores: frozenset[int] | None) -> None:
        in_pages = config.get("page_port") is not None
        count = 1 if in_pages else min(processes, int(config["clients"]))
        self._crew = trial_processes
        self.cores: list[frozenset[int] | None] = [cores]
        if count > 1:
            each = sorted(cores) if cores else []
            self.cores = [frozenset({each[number % len(each)]}) if each else None for number in range(count)]
        self.children: list[Child] = []
        for number in range(count):
            mine = dict(config)
            if count > 1:
                mine |= {"worker": number, "workers": count, "folder": str(folder / f"worker-{number + 1}")}
                Path(mine["folder"]).mkdir()
            name = "load" if count == 1 else f"load-{number + 1}"
            command = (commands.browser_load(folder, mine, cores=cores) if in_pages
                       else commands.load(folder, mine, name=name, cores=self.cores[number]))
            self.children.append(trial_processes.start(command))

    def send(self, message: dict[str, Any]) -> None:
        """Send the message to all workers."""
        for child in self.children:
            child.send(message)

    def expect(self, key: str, timeout_s: float) -> list[Any]:
        """Return the message `key` of each worker, in order; wait up to `timeout_s` for each.

        Raises `TrialError` where one does not come.
        """
        return [self._crew.expect(child, key, timeout_s) for child in self.children]

    def finish(self) -> None:
        """Wait until all workers have ended."""
        for child in self.children:
            self._crew.finish(child)

    def busiest(self, used: Mapping[str, Usage]) -> Usage:
        """Return the usage of the core that the workers used most, from the usage of each process by name."""
        if len(self.children) == 1:
            return used[self.children[0].name]
        by_core: dict[frozenset[int] | None, list[Usage]] = {}
        for child, core in zip(self.children, self.cores, strict=True):
            by_core.setdefault(core, []).append(used[child.name])
        groups = list(by_core.values()) if None not in by_core else [[each] for each in by_core[None]]
        return max((_sum(group) for group in groups), key=lambda usage: usage.cpu_ns or 0)


def _sum(usages: Sequence[Usage]) -> Usage:
    def total(name: str) -> int | None:
        values = [getattr(usage, name) for usage in usages]
        return None if None in values else sum(values)

    return Usage(**{name: total(name) for name in ("cpu_ns", "user_ns", "system_ns", "rss_bytes")})


def merged(facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Combine the facts that each worker reported into those of the whole load."""
    if len(facts) == 1:
        return facts[0]
    whole: dict[str, Any] = {}
    for name, first in facts[0].items():
        values = [each[name] for each in facts]
        if isinstance(first, dict):
            whole[name] = dict(sum((Counter(value) for value in values), Counter()))
        elif None in values:
            whole[name] = None
        else:
            whole[name] = max(values) if name in LARGEST else sum(values)
    return whole | {"workers": list(facts)}
