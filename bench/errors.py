"""The errors that a user can meet.

    TickertapeError
    ├── UserError            the user's mistake: one sentence, exit status 2
    │   ├── ScenarioError    a scenario file or an override: names the file and the field
    │   ├── FeedFileError    a file of trades: names the file and the row or column
    │   ├── RunError         a run's folder: newer schema, another scenario or commit, missing files
    │   │   └── KilledError      a process that simulated was killed, or memory ran out; `--resume` goes on
    │   ├── OverlapError     a model that would be judged by what it was fitted to
    │   └── HostError        what this machine can't do: limits, ports, another run under way
    │       └── DiskFullError    a run's disk filled under way; exit status 1, since `--resume` goes on
    └── TrialError           a trial failed: caught by the runner and recorded as data

Three rules: a user's mistake is one of these and says what was found and what is allowed; a failure
inside a trial becomes a record, and the run goes on; anything else is a bug, and shows its traceback.
"""

from __future__ import annotations


class TickertapeError(Exception):
    """Base of all errors that are meant to be read by a user."""


class UserError(TickertapeError):
    """A mistake that the user can mend; the command ends with status 2."""


class ScenarioError(UserError):
    """A scenario that can't be run as written.

    `where` is the file (or `--set`), `field` the dotted name of the field, `found` what stands there
    and `allowed` what may.
    """

    def __init__(self, where: str, field: str, found: str, allowed: str) -> None:
        super().__init__(f"{where}: {field}: found {found}, allowed is {allowed}")
        self.where = where
        self.field = field


class FeedFileError(UserError):
    """A file of trades that can't be replayed; the sentence names the file and the place in it."""


class RunError(UserError):
    """A run's folder that can't be used as asked."""


class KilledError(RunError):
    """A process that simulated is gone; what is on disk stands."""


class OverlapError(UserError):
    """A validation by cells that the costs were fitted to."""


class HostError(UserError):
    """Something that this machine does not allow or have."""


class DiskFullError(HostError):
    """A run's disk is full; what was measured so far stands, and the run can go on once there is room."""


class TrialError(TickertapeError):
    """A trial that failed; `reason` is a word for grouping, the message a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
