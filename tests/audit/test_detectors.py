"""The audit: each detector fires on what it is for, none on a clean trial, and silence is not consent."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from synthetic import DEFAULT, Plan, trial_record

from bench import transports
from bench.audit.detectors import DETECTORS, Verdict, audit
from bench.records.trial_record import SKIPS, UPLINKS, TrialRecord
from bench.stats.trial.arrays import Tables
from bench.stats.trial.reconciliation import refusal_words
from bench.stats.trial.row import COLUMNS, trial_row

MS = 1_000_000
RECORD, TABLES = trial_record(Plan(), "short_polling", DEFAULT["short_polling"], 10, 1, 1)
RECEIVED = TABLES["deliveries"].num_rows
CLEAN = replace(
    RECORD, publisher={"published": TABLES["feed"].num_rows},
    load={"deliveries": RECEIVED, "users_at_t1": 10, "turn_gap_max_ns": 12 * MS})


def judged(record: TrialRecord = CLEAN, **tables: pa.Table) -> Verdict:
    return audit(record, trial_row(record, TABLES | tables))


def changed(table: str, column: str, values: Any) -> dict[str, pa.Table]:
    """Return a table with another column."""
    whole = TABLES[table]
    place = whole.schema.get_field_index(column)
    field = whole.schema.field(place)
    return {table: whole.set_column(place, field, pa.array(values, field.type))}


def shifted(table: str, column: str, by_ns: int) -> dict[str, pa.Table]:
    return changed(table, column, pc.add(TABLES[table][column], by_ns).to_pylist())


def names(verdict: Verdict) -> list[str]:
    return [reason.name for reason in verdict.reasons]


def test_a_clean_trial_is_valid_and_all_was_assessed() -> None:
    # The window has three seconds, too few for a trend.
    assert judged() == Verdict("VALID", not_assessed=("not-steady",))


LONG = replace(Plan(), measure_s=33.0)
LONG_RECORD, LONG_TABLES = trial_record(LONG, "long_polling", DEFAULT["long_polling"], 4, 1, 1)


def rising() -> Tables:
    """Return a window of half a minute in which each update takes longer than the one before."""
    due = dict(zip(LONG_TABLES["feed"]["index"].to_pylist(), LONG_TABLES["feed"]["due_ns"].to_pylist(),
                   strict=True))
    rows = LONG_TABLES["deliveries"]
    app = [due[index] + MS + due[index] // 1000 for index in rows["index"].to_pylist()]
    place = rows.schema.get_field_index("app_ns")
    later = rows.set_column(place, rows.schema.field(place), pa.array(app, pa.int64()))
    return LONG_TABLES | {"deliveries": later}


def hanging() -> Tables:
    """Return requests that were under way for twice as long as their responses say."""
    clients = LONG_TABLES["clients"]
    place = clients.schema.get_field_index("in_flight_ns")
    doubled = pc.multiply(clients["in_flight_ns"], 2)
    return LONG_TABLES | {"clients": clients.set_column(place, clients.schema.field(place), doubled)}


def test_a_long_clean_trial_is_steady_and_keeps_littles_law() -> None:
    verdict = audit(LONG_RECORD, trial_row(LONG_RECORD, LONG_TABLES))
    assert verdict.status == "VALID"
    assert not {"not-steady", "littles-law"} & set(verdict.not_assessed)


def without_one_in_ten() -> Tables:
    """Return deliveries with holes."""
    kept = [place for place in range(RECEIVED) if place % 10]
    return {"deliveries": TABLES["deliveries"].take(kept)}


def stalled_feed() -> dict[str, pa.Table]:
    """Return a feed of which one tick of the window left 150 ms late: less than 1 % of those due in it."""
    assert CLEAN.windows is not None
    first = next(place for place, due_ns in enumerate(TABLES["feed"]["due_ns"].to_pylist())
                 if due_ns >= CLEAN.windows.t0_ns)
    return changed("feed", "sent_ns", [at_ns + 150 * MS * (place == first)
                                       for place, at_ns in enumerate(TABLES["feed"]["sent_ns"].to_pylist())])


def host(**noise: float) -> tuple[TrialRecord, Tables]:
    """Return the clean trial on a machine that was not quiet."""
    return replace(CLEAN, host=CLEAN.host | noise), {}


SABOTAGE: dict[str, tuple[TrialRecord, Tables]] = {
    "unpublished": (CLEAN, changed("feed", "sent_ns", [None] * TABLES["feed"].num_rows)),
    "feed-late": (CLEAN, shifted("feed", "sent_ns", 30 * MS)),
    "feed-stalled": (CLEAN, stalled_feed()),
    "counts": (replace(CLEAN, server_counts={"deliveries": RECEIVED - 1}), {}),
    "published-counts": (replace(CLEAN, publisher={"published": 1}), {}),
    "recorded-counts": (replace(CLEAN, load=CLEAN.load | {"deliveries": RECEIVED + 1}), {}),
    "foreign": (CLEAN, changed("deliveries", "index", [4_000_000] * RECEIVED)),
    "negative-latency": (CLEAN, shifted("deliveries", "kernel_ns", -1200 * MS)),
    "clock-step": (replace(CLEAN, clock_step_ns=150_000), {}),
    "clients-missing": (CLEAN, changed("clients", "subscribed_ns", [None, *range(9)])),
    "clients-vanished": (replace(CLEAN, load=CLEAN.load | {"users_at_t1": 9}), {}),
    "errors": (CLEAN, changed("clients", "errors", [1] * 10)),
    "polls-late": (CLEAN, changed("clients", "polls_overdue", [1] * 10)),
    "generator-lag": (CLEAN, shifted("deliveries", "app_ns", 40 * MS)),
    "generator-stalled": (replace(CLEAN, load=CLEAN.load | {"turn_gap_max_ns": 150 * MS}), {}),
    "counts-lost": (
        replace(CLEAN, server_counts=CLEAN.server_counts | {"deliveries": RECEIVED}), without_one_in_ten()),
    "counts-skips": (CLEAN, {"skips": pa.Table.from_pylist(
        [{"client": 0, "kind": "dropped", "symbol": "S001", "count": 2, "index": 9, "app_ns": 0}], SKIPS)}),
    "not-steady": (LONG_RECORD, rising()),
    "littles-law": (LONG_RECORD, hanging()),
    "host-load": host(others_share=0.4),
    "host-steal": host(steal_share=0.2),
    "host-jitter": host(probe_gap_share=0.3),
    "host-slowed": host(probe_slowdown=1.8),
    "host-throttled": host(throttled_ms=40.0),
    "host-swapping": host(swapped_pages=5000),
    "runner-late": (CLEAN, shifted("samples", "at_ns", 21 * MS)),
    "uplinks": (CLEAN, {"uplinks": pa.Table.from_pylist([
        {"index": index, "author": 0, "due_ns": due_ns, "sent_ns": due_ns, "sends": 1, "answered_ns": due_ns + 1,
         "payload_bytes": 60, "refusal": "too-many"}
        for index, due_ns in zip(*(TABLES["feed"][name].to_pylist() for name in ("index", "due_ns")), strict=True)
    ], UPLINKS)}),
    "generator-busy": (replace(CLEAN, usage=CLEAN.usage | {
        "load": replace(CLEAN.usage["load"], cpu_ns=2_900 * MS)}), {}),
}


def test_every_detector_is_sabotaged() -> None:
    assert set(SABOTAGE) == {detector.name for detector in DETECTORS}


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_detector_fires_on_what_it_is_for(name: str) -> None:
    record, tables = SABOTAGE[name]
    verdict = judged(record, **tables)
    assert verdict.status == "INVALID"
    assert name in names(verdict)
    reason = next(reason for reason in verdict.reasons if reason.name == name)
    assert "allowed is" in str(reason)
    assert "; " not in str(reason), "it parts one reason from the next"


def test_a_generator_so_far_behind_that_no_update_counts_is_found_out() -> None:
    behind = shifted("deliveries", "app_ns", 4000 * MS)
    row = trial_row(CLEAN, TABLES | behind)
    assert row["lost"] == row["updates_due"], "4 s are more than 2ℓ"
    assert "generator-lag" in names(judged(CLEAN, **behind))


@pytest.mark.parametrize(("value", "found"), [
    (1.00001, "throttled_ms is 1.00001, allowed is at most 1"), (40.0, "throttled_ms is 40, allowed is at most 1")])
def test_a_value_just_beyond_its_bound_is_not_printed_as_the_bound(value: float, found: str) -> None:
    record, _ = host(throttled_ms=value)
    assert [reason.found for reason in judged(record).reasons] == [found]


@pytest.mark.parametrize("by", [-1, 1])
def test_counts_that_differ_from_what_is_on_disk_are_wrong_either_way(by: int) -> None:
    published = TABLES["feed"].num_rows + by
    said = replace(CLEAN, load=CLEAN.load | {"deliveries": RECEIVED + by}, publisher={"published": published})
    assert names(judged(said)) == ["published-counts", "recorded-counts"]


def test_a_server_that_is_slower_than_the_schedule_is_a_result() -> None:
    slow = changed("clients", "polls_late", [3] * 10)
    assert judged(CLEAN, **slow).status == "VALID"
    assert trial_row(CLEAN, TABLES | slow)["polls_late_share"] == 1


@pytest.mark.parametrize(("transport", "word"), [
    (name, word) for name in transports.names() for word in sorted(refusal_words(name))])
def test_clients_that_are_refused_by_the_contract_are_a_result(transport: str, word: str) -> None:
    errors = changed("clients", "errors", [1] * 10)
    refused = replace(CLEAN, transport=transport, load=CLEAN.load | {"errors": {word: 10}})
    assert judged(refused, **errors).status == "VALID"
    row = trial_row(refused, TABLES | errors)
    assert (row["client_errors"], row["client_refusals"], row["client_error_share"]) == (10, 10, 0)
    broken = replace(CLEAN, load=CLEAN.load | {"errors": {word: 5, "reset": 5}})
    assert names(judged(broken, **errors)) == ["errors"]


def test_what_clients_missed_that_were_refused_is_a_result_though_more_was_under_way_at_the_end() -> None:
    tables = {**without_one_in_ten(), **changed("clients", "errors", [1] * 10)}
    said = CLEAN.load | {"errors": {"http-410": 10}, "deliveries": tables["deliveries"].num_rows}
    assert judged(replace(CLEAN, load=said), **tables).status == "VALID"
    unbroken = {**tables, **changed("clients", "errors", [1] * 9 + [0])}
    assert names(judged(replace(CLEAN, load=said), **unbroken)) == ["counts-lost"]


def test_what_was_not_measured_is_not_assessed_and_does_not_condemn() -> None:
    silent = replace(CLEAN, host={}, server_counts={}, clock_step_ns=None, usage={}, load={}, publisher={})
    verdict = judged(silent)
    assert verdict.status == "VALID"
    unmeasured = {"counts", "clock-step", "generator-busy", "clients-vanished", "host-load"}
    assert unmeasured <= set(verdict.not_assessed)


def test_deliveries_that_were_deleted_from_the_records_are_missed() -> None:
    rows = TABLES["deliveries"]
    one_in_twenty = rows.take([place for place in range(RECEIVED) if place % 20])
    newest_gone = rows.slice(0, RECEIVED - RECEIVED // 20)
    for kept in (one_in_twenty, newest_gone):
        assert "recorded-counts" in names(judged(CLEAN, deliveries=kept))
    silent = replace(CLEAN, load={}, server_counts=CLEAN.server_counts | {"deliveries": RECEIVED})
    assert names(judged(silent, deliveries=one_in_twenty)) == ["counts-lost"]


def test_a_failed_trial_is_aborted_with_its_reason() -> None:
    failed = replace(CLEAN, status="failed", reason="server-ended", detail="exit status 3\nTraceback …")
    verdict = audit(failed, trial_row(failed, None))
    assert verdict.status == "ABORTED"
    assert str(verdict.reasons[0]) == "server-ended: the trial failed: exit status 3"


@pytest.mark.parametrize(("reason", "sentence", "log"), [
    ("server-died", "it ended", ("no module named x", "exit; now")),
    ("load-2-died", "it ended", ("out of memory",)),
    ("publisher-timeout", "'ready' of the publisher did not come", ("a  b",)),
    ("timeout", "http://127.0.0.1:1/health did not answer", ("no module named x", "exit; now")),
    ("server-died", "", ()),
])
def test_a_failure_shows_how_the_log_of_what_failed_ends(
    reason: str, sentence: str, log: tuple[str, ...]
) -> None:
    logs = ("--- publisher.log\na\x1b\x07b\n--- server.log\n1\n2\n3\n4\n\n  no module named x\nexit; now\n"
            "--- load-2.log\nout of memory")
    detail = f"{sentence}\n{logs}" if sentence else None
    (found,) = audit(failed := replace(CLEAN, status="failed", reason=reason, detail=detail),
                     trial_row(failed, None)).reasons
    assert found.log[-2:] == log
    assert len(found.log) <= 5
    assert "; " not in str(found)
    assert str(found).endswith(log[-1].replace("; ", ", ") if log else "no detail")


@pytest.mark.parametrize("reason", [
    "load-died", "load-2-died", "load-crashed", "load-timeout", "publisher-died", "publisher-timeout"])
def test_a_trial_whose_load_or_publisher_failed_is_invalid_and_not_the_subjects_failure(reason: str) -> None:
    failed = replace(CLEAN, status="failed", reason=reason, detail="it ended with status 137\n--- log")
    verdict = audit(failed, trial_row(failed, None))
    assert verdict.status == "INVALID"
    assert str(verdict.reasons[0]).startswith(f"{reason}: it ended with status 137: ")
    assert "\n" not in str(verdict.reasons[0])


def test_each_detector_looks_at_a_column_and_has_a_bound() -> None:
    assert {detector.figure for detector in DETECTORS} <= set(COLUMNS)
    for detector in DETECTORS:
        assert math.isfinite(detector.most) or math.isfinite(detector.least)
        assert detector.advice
        assert detector.needs


def test_nothing_about_those_who_measure_passes_for_checked_in_a_simulated_trial() -> None:
    simulated = replace(CLEAN, source="simulated")
    found = audit(simulated, trial_row(simulated, TABLES))
    about_measuring = {each.name for each in DETECTORS if each.of_measuring}
    assert found.status == "VALID"
    assert about_measuring <= set(found.not_assessed)
    assert {"feed-late", "clock-step", "generator-busy", "host-load"} <= about_measuring
    assert not about_measuring & {"counts", "counts-lost", "foreign", "negative-latency", "errors"}
    stalled = {**trial_row(simulated, TABLES), "turn_gap_max_ms": 1e6, "lost_on_the_way": 1}
    assert [reason.name for reason in audit(simulated, stalled).reasons] == ["counts-lost"]
