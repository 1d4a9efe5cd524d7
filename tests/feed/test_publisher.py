"""The publisher as a process: open loop, lives and epochs, resuming, slow readers, its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.clock import RunClock
from bench.feed.log import to_table
from bench.feed.publisher import SPIN_MAX_NS, spin_ns
from bench.feed.schedule import NS, make
from bench.feed.tick import decode, encode
from bench.scenario.model import Feed
from bench.wire.contract import EPOCH

from .conftest import WAIT_S, Life

Publish = Callable[..., Life]
FEED = {"schedule": "constant", "rate_per_s": 200, "symbols": 3}
SOON_NS = 50_000_000

pytestmark = pytest.mark.process


def test_every_tick_is_sent_as_the_schedule_has_it(publish: Publish, clock: RunClock, tmp_path: Path) -> None:
    feed = Feed(schedule="bursty", rate_per_s=300, symbols=3, book_levels=2)
    schedule = make(feed, 1, 0.5, 0.0)
    life = publish(feed.model_dump(), horizon_s=0.5)
    assert EPOCH.fullmatch(life.epoch)
    subscriber = life.subscribe()
    assert subscriber.line() == {
        "feed": "tickertape/1", "epoch": life.epoch, "after": 0, "head": 0, "symbols": ["AAA", "AAB", "AAC"],
    }
    warmup_ns = clock.now_ns() + SOON_NS
    life.begin(warmup_ns)
    lines = [subscriber._lines.readline() for _ in range(len(schedule))]
    expected = [
        encode(schedule.tick(index, index + 1, warmup_ns + int(schedule.offset_ns[index]))) + b"\n"
        for index in range(len(schedule))
    ]
    assert lines == expected
    done = life.stop()
    assert (done["epoch"], done["published"]) == (life.epoch, len(schedule))

    table = to_table(tmp_path, schedule, warmup_ns)
    late_ns = np.subtract(table["sent_ns"].to_numpy(), table["due_ns"].to_numpy())
    assert (late_ns >= 0).all()
    assert done["lateness_max_ns"] == late_ns.max()
    assert table["seq"].to_pylist() == list(range(1, len(schedule) + 1))
    assert table["payload_bytes"].to_pylist() == [len(line) - 1 for line in expected]


def test_compact_ticks_are_sent_where_the_feed_asks_for_them(publish: Publish, clock: RunClock) -> None:
    feed = Feed(schedule="constant", rate_per_s=100, symbols=1, encoding="compact")
    life = publish(feed.model_dump(), horizon_s=0.1)
    subscriber = life.subscribe()
    subscriber.line()
    life.begin(clock.now_ns() + SOON_NS)
    for index in range(5):
        index_and_seq = subscriber.line()[:2]
        assert index_and_seq == [index, index + 1]


def test_a_start_that_is_late_skips_and_shifts_nothing(publish: Publish, clock: RunClock) -> None:
    life = publish(FEED, horizon_s=0.5)
    warmup_ns = clock.now_ns() - NS  # the whole schedule is past due
    subscriber = life.subscribe()
    life.begin(warmup_ns)
    subscriber.line()
    ticks = subscriber.lines(103)
    schedule = make(Feed.model_validate(FEED), 1, 0.5, 0.0)
    assert [tick["index"] for tick in ticks] == list(range(103))
    assert [tick["due_ns"] - warmup_ns for tick in ticks] == schedule.offset_ns.tolist()
    done = life.stop()
    assert done["lateness_p50_ns"] > NS // 2


def test_a_killed_publisher_comes_back_as_a_new_epoch_with_a_gap(
    publish: Publish, clock: RunClock, tmp_path: Path
) -> None:
    horizon_s = 60.0
    first = publish(FEED, horizon_s=horizon_s)
    warmup_ns = clock.now_ns() + SOON_NS
    first.begin(warmup_ns)
    subscriber = first.subscribe()
    subscriber.line()
    before = subscriber.lines(20)
    first.kill()

    restarted_ns = clock.now_ns()
    second = publish(FEED, horizon_s=horizon_s, warmup_ns=warmup_ns, port=first.port)
    assert second.port == first.port
    assert second.epoch != first.epoch
    subscriber = second.subscribe(f"{first.epoch}:{before[-1]['seq']}")
    header = subscriber.line()
    assert (header["epoch"], header["after"]) == (second.epoch, 0)
    after = subscriber.lines(5)
    assert [tick["seq"] for tick in after] == [1, 2, 3, 4, 5]
    assert after[0]["due_ns"] > restarted_ns  # the first that was due after its start
    assert [tick["index"] for tick in after] == list(range(after[0]["index"], after[0]["index"] + 5))
    assert second.stop()["published"] >= 5

    schedule = make(Feed.model_validate(FEED), 1, horizon_s, 0.0)
    table = to_table(tmp_path, schedule, warmup_ns).slice(0, after[-1]["index"] + 1).to_pydict()
    epochs = table["epoch"]
    assert epochs[: len(before)] == [first.epoch] * len(before)
    gap = [index for index, sent_ns in enumerate(table["sent_ns"]) if sent_ns is None]
    assert gap == list(range(gap[0], after[0]["index"]))
    assert gap[0] >= len(before)
    assert {epochs[index] for index in gap} == {table["seq"][index] for index in gap} == {None}
    assert epochs[gap[-1] + 1 :] == [second.epoch] * 5


def test_a_subscriber_goes_on_after_its_cursor(publish: Publish, clock: RunClock) -> None:
    life = publish(FEED)
    life.begin(clock.now_ns() + SOON_NS)
    subscriber = life.subscribe()
    subscriber.line()
    last = subscriber.lines(10)[-1]["seq"]
    subscriber.close()
    again = life.subscribe(f"{life.epoch}:{last}")
    header = again.line()
    assert (header["after"], header["epoch"]) == (last, life.epoch)
    assert header["head"] >= last
    assert [tick["seq"] for tick in again.lines(50)] == list(range(last + 1, last + 51))


def test_one_that_does_not_read_delays_nobody_and_is_told_of_its_hole(
    publish: Publish, clock: RunClock
) -> None:
    # Some 15 MB in all: more than is held and what the kernel buffers for a reader with a small window.
    ticks, held = 3000, 500
    feed = {"schedule": "constant", "rate_per_s": 2000, "book_levels": 200}
    life = publish(feed, horizon_s=ticks / 2000, hold_ticks=held)
    stuck = life.subscribe(buffer_bytes=4096)
    reader = life.subscribe()
    life.begin(clock.now_ns() + SOON_NS)
    ticks += len(reader.line()["symbols"])   # the opening
    lines = [reader._lines.readline() for _ in range(ticks)]
    assert [decode(line).seq for line in lines] == list(range(1, ticks + 1))

    taken = stuck._lines.read().splitlines()[1:]  # up to the end: it was disconnected
    assert len(taken) < ticks - held
    again = life.subscribe(f"{life.epoch}:{len(taken) - 1}")  # the last one may be cut
    header = again.line()
    assert (header["after"], header["head"]) == (ticks - held, ticks)
    assert again.line()["seq"] == ticks - held + 1


def test_it_ends_with_its_runner(publish: Publish, clock: RunClock) -> None:
    life = publish(FEED, horizon_s=60.0)
    life.begin(clock.now_ns())
    life.subscribe().line()
    life.runner_end.close()
    assert life.process.wait(WAIT_S) == 0


def test_a_file_that_cannot_be_replayed_ends_it_with_a_sentence(
    publish: Publish, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):  # it never gets ready
        publish({"schedule": "replay", "replay": {"file": str(tmp_path / "nowhere.csv")}})
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "nowhere.csv: found no such file" in said


@pytest.mark.parametrize("rate_per_s", [1, 100, 1000, 100_000])
def test_spinning_takes_at_most_a_tenth_of_a_core(rate_per_s: float) -> None:
    schedule = make(Feed(schedule="poisson", rate_per_s=rate_per_s), 1, 10.0, 0.0)
    spin = spin_ns(schedule)
    assert 0 < spin <= SPIN_MAX_NS
    assert spin * len(schedule) <= 0.11 * 10.0 * NS
