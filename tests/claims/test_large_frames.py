"""The number that is stated for large frames, against the project's own frames."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest

from bench.scenario.model import load
from bench.transports.websocket.protocol import push_frame
from bench.wire.contract import Batch, Cursor

SCENARIO = Path(__file__).parents[2] / "scenarios" / "claims" / "article-large-frames.toml"
TICKS = [b"x" * 5000] * 20


def test_what_is_stated_for_large_frames_is_that_of_a_header_of_10_bytes_alone() -> None:
    claim = load(SCENARIO).claims["a-frame-header-of-10-bytes"]
    frames = [push_frame(Batch(Cursor("0f1e", seq), TICKS)) for seq in range(61, 202, 20)]   # those of the window
    assert all(frame[:2] == b"\x81\x7f" for frame in frames)   # a length of 8 bytes follows
    framing = fmean(len(frame) - sum(map(len, TICKS)) for frame in frames) / len(TICKS)
    assert framing == pytest.approx(claim.stated[0], rel=0.005)
    assert framing - (10 - 4) / len(TICKS) < claim.stated[0] * (1 - claim.tolerance)
