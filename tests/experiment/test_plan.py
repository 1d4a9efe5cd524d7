"""The plan's laws: complete blocks, common seeds, names that sort, nothing but (scenario, seed)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ScenarioError
from bench.experiment import plan
from bench.scenario.fields import Table
from bench.scenario.model import Scenario


class Polling(Table):
    interval_s: float = 1.0
    jitter: float = 0.0


class Pushing(Table):
    pass


def scenario(**changes: Any) -> Scenario:
    table: dict[str, Any] = {"question": "?", "transports": {"a": {"transport": "x"}, "b": {}}}
    return Scenario.model_validate(table | changes)


scenarios = st.builds(
    lambda seed, clients, count, labels: scenario(
        seed=seed, load={"clients": clients}, trials={"count": count},
        transports={label: {} for label in labels},
    ),
    st.integers(0, 2**63 - 1), st.lists(st.integers(1, 2000), min_size=1, max_size=4, unique=True),
    st.integers(1, 12), st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True),
)


@given(scenarios)
def test_every_block_holds_every_cell_once(scenario: Scenario) -> None:
    planned = plan.trials(scenario)
    cells = {(label, clients) for label in scenario.transports for clients in scenario.load.clients}
    for block in range(1, scenario.trials.count + 1):
        of_block = [trial for trial in planned if trial.block == block]
        assert Counter((trial.subject, trial.clients) for trial in of_block) == Counter(cells)
        assert [trial.position for trial in of_block] == list(range(1, len(cells) + 1))
    assert len(planned) == scenario.trials.count * len(cells)


@given(scenarios)
def test_names_are_unique_and_sort_in_the_order_of_the_run(scenario: Scenario) -> None:
    names = [trial.name for trial in plan.trials(scenario)]
    assert names == sorted(set(names))


@given(scenarios)
def test_a_block_has_one_seed_of_its_own(scenario: Scenario) -> None:
    planned = plan.trials(scenario)
    assert len({trial.seed for trial in planned}) == scenario.trials.count
    assert len({(trial.block, trial.seed) for trial in planned}) == scenario.trials.count
    assert all(0 <= trial.seed < 2**63 for trial in planned)


@given(scenarios)
def test_the_plan_is_a_function_of_the_scenario(scenario: Scenario) -> None:
    assert plan.trials(scenario) == plan.trials(scenario.model_copy(deep=True))


def test_more_blocks_leave_the_earlier_ones_as_they_were() -> None:
    few = plan.trials(scenario(trials={"count": 3}))
    more = plan.trials(scenario(trials={"count": 6}))
    assert more[: len(few)] == few


def test_orders_differ_between_blocks_and_between_seeds() -> None:
    def orders(seed: int) -> list[tuple[str, ...]]:
        planned = plan.trials(scenario(seed=seed, load={"clients": [1, 2, 3, 4]}, trials={"count": 4}))
        return [tuple(t.name.split("-", 2)[2] for t in planned if t.block == block) for block in range(1, 5)]

    assert len(set(orders(1))) == 4
    assert orders(1) != orders(2)


def test_the_transport_is_the_folder_and_the_subject_the_label() -> None:
    pairs = {(trial.subject, trial.transport) for trial in plan.trials(scenario())}
    assert pairs == {("a", "x"), ("b", "b")}


@given(st.integers(0, 2**63 - 1), st.integers(1, 30), st.integers(1, 8), st.integers(1, 12))
def test_subscriptions_are_drawn_for_each_client_alone(
    seed: int, clients: int, size: int, symbols: int
) -> None:
    names = [f"S{number}" for number in range(symbols)]
    load = scenario(load={"clients": [clients], "symbols_per_client": size}).load
    drawn = plan.subscriptions(load, names, clients, seed)
    if size >= symbols:
        assert drawn is None
        return
    assert drawn is not None
    assert all(len(set(each)) == size and set(each) <= set(names) for each in drawn)
    assert plan.subscriptions(load, names, clients + 5, seed)[:clients] == drawn   # type: ignore[index]


def test_without_a_size_every_client_has_all_symbols() -> None:
    assert plan.subscriptions(scenario().load, ["A", "B"], 3, 1) is None


@pytest.mark.parametrize(("given_s", "interval_s", "late_s"), [
    (None, 0.1, 1.0), (None, 1.0, 1.5), (None, 4.0, 6.0), (0.2, 4.0, 0.2),
])
def test_an_update_is_late_after_one_and_a_half_polls(
    given_s: float | None, interval_s: float, late_s: float
) -> None:
    asked = scenario(windows={"late_after_s": given_s, "warmup_s": 1, "measure_s": 2})
    options = {"a": Polling(interval_s=interval_s), "b": Pushing()}
    assert plan.late_after_s(asked, options) == late_s
    assert plan.horizon_s(asked, options) == 3 + 2 * late_s


@pytest.mark.parametrize(("interval_s", "jitter", "rtt_ms", "warmup_s"), [
    (0.1, 0.0, None, 1.0), (1.0, 0.0, None, 1.2), (5.0, 0.0, 80.0, 5.28), (2.0, 0.5, None, 3.2),
])
def test_warm_up_is_a_poll_and_a_little_more(
    interval_s: float, jitter: float, rtt_ms: float | None, warmup_s: float
) -> None:
    options = {"a": Polling(interval_s=interval_s, jitter=jitter), "b": Pushing()}
    asked = scenario(simulation={"rtt_ms": rtt_ms})
    assert plan.warmup_s(asked, options) == warmup_s
    assert plan.warmup_s(scenario(windows={"warmup_s": 7.0}), options) == 7.0
    least = scenario(windows={"warmup_s": max(warmup_s, 1.2)}, simulation={"rtt_ms": rtt_ms})
    plan.check(least, options, "some.toml")


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"transports": {"a-b": {}}}, "letters, digits and underscores"),
    ({"transports": {"../x": {}}}, "letters, digits and underscores"),
    ({"load": {"clients": [5, 6, 5]}}, "load.clients: found .5, 6, 5., allowed is each count once"),
    ({"load": {"symbols_per_client": 6}}, "load.symbols_per_client: found 6, allowed is at most"),
    ({"server": {"slow_client": {"buffer_ticks": 24}}}, "buffer_ticks: found 24, allowed is at least 25"),
    ({"load": {"symbols_per_client": 1}, "server": {"slow_client": {"buffer_ticks": 4}}},
     "buffer_ticks: found 4, allowed is at least 5: a tick"),
    ({"server": {"tape_ticks": 10}}, "server.tape_ticks: found 10, allowed is at least 25"),
    ({"feed": {"symbols": 5000}, "load": {"symbols_per_client": 4000}, "server": {"tape_ticks": 5000}},
     "server.tape_ticks: found 5000, allowed is at least 5020"),
    ({"feed": {"rate_per_s": 10.3}, "server": {"tape_ticks": 25}},
     "server.tape_ticks: found 25, allowed is at least 26"),
    ({"windows": {"warmup_s": 1.19}}, "warmup_s: found 1.19, allowed is at least 1.2: the longest poll"),
    ({"windows": {"warmup_s": 1.3}, "simulation": {"rtt_ms": 101.0}}, "found 1.3, allowed is at least 1.301"),
    ({"feed": {"source": "clients"}, "load": {"mode": "latest"}}, "load.mode: found latest, allowed is every where"),
    ({"feed": {"source": "clients"}, "load": {"clients": [3], "symbols_per_client": 1}},
     "load.clients: found 3, allowed is at least 5 where feed.source is clients"),
    ({"feed": {"source": "clients"}, "capacity": {}}, "capacity: found a search, allowed is none where"),
    ({"feed": {"source": "clients"}, "transports": {"mine": {"transport": "short_polling", "server": {
        "command": ["serve"], "ready": "http://127.0.0.1:{port}/"}}}}, "found a server of your own, allowed is one of"),
    ({"trials": {"until": "p99 of c ± 1 %"}}, "trials.until: found 'c', allowed is one of a, b"),
    ({"trials": {"until": "p99 of a at 7 ± 1 %"}}, "until: found 7, allowed is one of load.clients = .50."),
])
def test_fields_that_do_not_go_together(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence):
        plan.check(scenario(**changes), {"a": Polling(), "b": Pushing()}, "some.toml")


PAGE = {"transport": "short_polling", "client": "browser", "headers": "browser"}


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"load": {"clients": [1, 21]}}, r"load\.clients: found 21, allowed is at most 20 where transports\.a\.client is"),
    ({"load": {"clients": [5]}, "capacity": {"most": 21}}, r"capacity\.most: found 21, allowed is at most 20"),
    ({"load": {"clients": [5]}, "feed": {"source": "clients"}}, r"a\.client: found 'browser', .* only listens"),
    ({"transports": {"a": {**PAGE, "transport": "bulletin"}}}, "found 'browser', .*bulletin has no client in a page"),
    ({"transports": {"a": {**PAGE, "server": {"command": ["serve"], "ready": "http://127.0.0.1:{port}/"}}}},
     "found 'browser', allowed is 'locust' with a server of your own"),
    *(({"transports": {"a": {**PAGE, name: value}}}, rf"transports\.a\.{name}: found .* where its client is a browser")
      for name, value in {"tls": True, "headers": "bare", "request_headers": ["Accept: a/b"], "connection": "new",
                          "pace": "delay", "jitter": 0.5}.items()),
])
def test_a_page_is_not_asked_for_what_no_page_can_do(changes: dict[str, Any], sentence: str) -> None:
    few = {"load": {"clients": [20]}, "transports": {"a": PAGE}}
    plan.check(scenario(**few), plan.options_of_all(scenario(**few), "x.toml"), "x.toml")
    asked = scenario(**{**few, **changes})
    with pytest.raises(ScenarioError, match=sentence):
        plan.check(asked, plan.options_of_all(asked, "x.toml"), "x.toml")
    ours = {label: {**subject, "client": "locust"} for label, subject in {**few, **changes}["transports"].items()}
    if "jitter" not in ours["a"] and changes.get("feed") is None:   # what our own clients can do, but for other bounds
        others = scenario(**{**few, **changes, "transports": ours})
        plan.check(others, plan.options_of_all(others, "x.toml"), "x.toml")


def test_a_run_that_goes_on_until_something_holds_plans_all_blocks_that_there_may_be() -> None:
    open_ended = plan.trials(scenario(trials={"count": 3, "until": "p50 ± 5 %", "count_max": 12}))
    # The same trials, whatever the rule: names are as wide as the cap, and the seeds are the blocks'.
    assert open_ended == plan.trials(scenario(trials={"count": 12}))


def test_fields_that_go_together() -> None:
    for each, buffer_ticks in ((None, 25), (1, 5)):
        plan.check(scenario(server={"slow_client": {"buffer_ticks": buffer_ticks}}, load={"symbols_per_client": each}),
                   {"a": Polling()}, "some.toml")


@pytest.mark.parametrize("option", [{"tls": True}, {"response_headers": ["Server: mine"]}])
def test_a_server_of_ones_own_is_not_told_what_only_ours_can_do(option: dict[str, Any]) -> None:
    own = {"transport": "short_polling", "server": {"command": ["serve"], "ready": "http://127.0.0.1:{port}/"}}
    asked = scenario(transports={"mine": {**own, **option}})
    options = plan.options_of_all(asked, "x.toml")
    with pytest.raises(ScenarioError, match=rf"transports\.mine\.{next(iter(option))}"):
        plan.check(asked, options, "x.toml")
    ours = scenario(transports={"short_polling": {"transport": "short_polling", **option}})
    plan.check(ours, plan.options_of_all(ours, "x.toml"), "x.toml")


def test_jitter_lengthens_the_longest_wait_for_a_poll() -> None:
    asked = scenario(transports={"short_polling": {"transport": "short_polling", "jitter": 1.0}})
    assert plan.longest_interval_s(plan.options_of_all(asked, "x.toml")) == 2.0


def test_a_flush_is_waited_for_like_a_poll() -> None:
    asked = scenario(transports={"websocket": {"transport": "websocket", "flush_ms": 3000.0}})
    options = plan.options_of_all(asked, "x.toml")
    assert plan.longest_interval_s(options) == 3.0
    assert plan.late_after_s(asked, options) == 4.5
    assert plan.warmup_s(asked, options) == 3.2
