"""The errors that a user can meet.

    TickertapeError
    ├── UserError            the user's mistake: one sentence, exit status 2
    │   ├── ScenarioError    a scenario file or an override: names the file and the field
    │   ├── FeedFileError    a file of trades: names the file and the row or column
    │   ├── RunError         a run's folder: newer schema, another scenario or commit, missing files
    │   │   └── KilledError      a simulating process was killed or ran out of memory; `--resume` continues
    │   ├── OverlapError     a model that would be judged by the data that it was fitted to
    │   └── HostError        a limit of this machine: limits, ports, another run in progress
    │       └── DiskFullError    the disk filled up during a run; exit status 1, since `--resume` continues
    └── TrialError           a trial failed: caught by the runner and recorded as data

Three rules. A user's mistake is one of these errors; it names the value found and the values allowed. A
failure inside a trial becomes a record, and the run continues. Anything else is a bug, and shows its
traceback.
"""

from __future__ import annotations


class TickertapeError(Exception):
    """Base class of all errors that are meant to be read by a user."""


class UserError(TickertapeError):
    """A mistake that the user can correct; the command ends with status 2."""


class ScenarioError(UserError):
    """A scenario that can't be run as written.

    `where` is the file (or `--set`), `field` the dotted name of the field, `found` the value found there and
    `allowed` a description of the values allowed.
    """

    def __init__(self, where: str, field: str, found: str, allowed: str) -> None:
        super().__init__(f"{where}: {field}: found {found}, allowed is {allowed}")
        self.where = where
        self.field = field
        self.mistake = f"found {found}, allowed is {allowed}"


class FeedFileError(UserError):
    """A file of trades that can't be replayed; the message names the file and the place in it."""


class RunError(UserError):
    """A run's folder that can't be used as asked."""


class KilledError(RunError):
    """A simulating process is gone; the results already on disk remain valid."""


class OverlapError(UserError):
    """A validation that uses cells that the costs were fitted to."""


class HostError(UserError):
    """Something that this machine does not allow or does not have."""


class DiskFullError(HostError):
    """A run's disk is full. All results so far remain valid, and the run can continue once there is space."""


class TrialError(TickertapeError):
    """A failed trial; `reason` is a word for grouping, the message is a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
