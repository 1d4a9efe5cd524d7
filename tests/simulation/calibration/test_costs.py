"""The costs file: what is written is read again, and what is no costs file is refused in a sentence."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import RunError
from bench.simulation.calibration import costs
from bench.simulation.calibration.costs import Cell, CostKind, CostsFile, Estimate, FittedCell, KindCosts
from bench.simulation.engine.inputs import Costs, LoadClient, NetworkDelays
from bench.transports.short_polling.protocol import Options

OF_EACH = {part: dict.fromkeys(names, Estimate(0.0)) for part, names in costs.NEEDED.items()}


def a_file(*kinds: CostKind) -> CostsFile:
    """Return a calibration of these kinds."""
    cell = Cell("websocket", {"compression": "none"}, 50, 20.0, 0, "object")
    fitted = FittedCell(cell, 3, {"updates": 1000.0}, 0.02, 0.018, 0.03, 0.031)
    return CostsFile(
        host_name="here", host={"cpu_model": "a processor", "cores": [0, 1]}, made_at="2026-11-22T18:00:00Z",
        commit=None, versions={"python": "3.11"}, runs=["a-run"],
        transports=[
            KindCosts(
                kind, fitted=[fitted],
                costs=OF_EACH["costs"] | {"tick_s": Estimate(2e-4, 1e-4, 3e-4), "answer_s": Estimate(9e-6)},
                net=OF_EACH["net"] | {"up_s": Estimate(1e-4), "feed_s": Estimate(1e-4)},
                load_client=OF_EACH["load_client"] | {"wake_s": Estimate(7e-5), "answer_s": Estimate(1e-5)},
            ) for kind in kinds
        ],
    )


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    """NaN bounds too, which are null on disk."""
    path = tmp_path / "costs-here.json"
    costs.write_costs(path, a_file(CostKind("websocket"), CostKind("short_polling", tls=True)))
    assert "NaN" not in path.read_text()
    found = costs.read_costs(path)
    assert str(found) == str(a_file(CostKind("websocket"), CostKind("short_polling", tls=True)))
    calibrated = found.of("websocket", {}, "library")
    assert calibrated.engine_costs == Costs(tick_s=2e-4, answer_s=9e-6)
    assert calibrated.engine_net == NetworkDelays(up_s=1e-4, down_s=0.0, feed_s=1e-4)
    assert calibrated.engine_load_client == LoadClient(wake_s=7e-5, answer_s=1e-5)
    assert math.isnan(calibrated.costs["answer_s"].low)
    assert calibrated.fitted[0].error == pytest.approx(-0.1)


@pytest.mark.parametrize(("cold", "what"), [
    ({"wake_s": Estimate(1e-4)}, "nothing"), ({"cold_share": Estimate(0.4)}, "nothing"),
    ({"cooling_s": Estimate(0.0)}, "0"),
])
def test_costs_of_a_cold_server_need_the_time_in_which_it_cools(
    tmp_path: Path, cold: dict[str, Estimate], what: str
) -> None:
    """They were fitted with it, and say nothing without; what to do is in the sentence."""
    path, whole = tmp_path / "costs-here.json", a_file(CostKind("sse"))
    costs.write_costs(path, replace(whole, transports=[replace(whole.transports[0],
                                                               costs=whole.transports[0].costs | cold)]))
    with pytest.raises(RunError, match=f"transports.0.costs.cooling_s: found {what}, allowed is .*calibrate anew"):
        costs.read_costs(path)


def test_a_file_from_before_a_crowd_had_a_cost_has_none() -> None:
    """So the project's own, until it is calibrated anew, says what it said."""
    for kind in (CostKind("websocket"), CostKind("long_polling")):
        document = a_file(kind).of(kind.transport, {}, "library")
        assert "crowd_share" not in document.costs
        assert document.engine_costs.crowd_share == 0.0
        assert document.engine_costs.crowded(5000) == document.engine_costs


def test_each_kind_has_costs_of_its_own(tmp_path: Path) -> None:
    """A subject is not priced with another kind's costs: it is refused, and told what there is."""
    file = a_file(CostKind("short_polling"), CostKind("short_polling", tls=True))
    assert file.of("short_polling", Options(tls=True), "library").kind.tls
    assert not file.of("short_polling", Options(connection="new"), "library").kind.tls
    with pytest.raises(RunError, match="short polling, short polling with TLS, needed is websocket"):
        file.of("websocket", {}, "library")
    with pytest.raises(RunError, match="needed is short polling with TLS and gzip"):
        file.of("short_polling", Options(tls=True, compression="gzip"), "library")


def test_a_kept_window_makes_another_kind() -> None:
    deflate = {"compression": "permessage-deflate"}
    file = a_file(CostKind("websocket", compression="permessage-deflate"))
    assert not file.of("websocket", deflate, "library").kind.context_takeover
    with pytest.raises(RunError, match="needed is websocket with permessage-deflate and context takeover; calibrate"):
        file.of("websocket", {**deflate, "context_takeover": True}, "library")


def test_two_servers_of_one_transport_are_two_kinds(tmp_path: Path) -> None:
    path = tmp_path / "costs-here.json"
    costs.write_costs(path, a_file(CostKind("websocket"), CostKind("websocket", server="bare")))
    found = costs.read_costs(path)
    assert [found.of("websocket", {}, server).kind.server for server in ("library", "bare")] == ["library", "bare"]
    with pytest.raises(RunError, match=r"found websocket, websocket \(bare\), needed is websocket \(fast\) with TLS"):
        found.of("websocket", {"tls": True}, "fast")


def test_a_file_from_before_there_was_a_choice_of_servers_is_of_the_default(tmp_path: Path) -> None:
    path = tmp_path / "costs-here.json"
    costs.write_costs(path, a_file(CostKind("websocket")))
    document = json.loads(path.read_text())
    for each in document["transports"]:
        del each["kind"]["server"]
        for fitted in each["fitted"]:
            del fitted["cell"]["server"]
    path.write_text(json.dumps(document))
    assert costs.read_costs(path).of("websocket", {}, "library").fitted[0].cell.server == "library"


def test_what_no_calibration_wrote_is_refused(tmp_path: Path) -> None:
    """With file and field."""
    path = tmp_path / "costs-here.json"
    with pytest.raises(RunError, match="no such file"):
        costs.read_costs(path)
    costs.write_costs(path, a_file(CostKind("websocket")))
    document = json.loads(path.read_text())
    document["transports"][0]["costs"]["tick_s"]["value"] = -1.0
    path.write_text(json.dumps(document))
    with pytest.raises(RunError, match=r"transports\.0\.costs\.tick_s"):
        costs.read_costs(path)
    path.write_text(json.dumps({**document, "schema_version": 99}))
    with pytest.raises(RunError, match="newer Tickertape"):
        costs.read_costs(path)


@pytest.mark.parametrize(("place", "value", "told"), [
    (("costs", "request_s"), None, "costs.request_s: found nothing"),
    (("costs", "reqest_s"), {"value": 1.0}, "costs.reqest_s: found an unknown key, allowed is one of tick_s"),
    (("net", "up_s"), None, "net.up_s: found nothing"),
    (("net", "up_s"), {"value": 0.0}, "net.up_s: found 0 as in down_s"),
    (("load_client", "wake_s"), None, "load_client.wake_s: found nothing"),
    (("costs", "tick_s", "value"), "1", "costs.tick_s.value: found '1'"),
    (("costs", "tick_s", "value"), True, "costs.tick_s.value: found"),
    (("costs", "tick_s", "value"), 1e300, "costs.tick_s: found"),
])
def test_a_number_that_is_missing_is_not_taken_for_0(
    tmp_path: Path, place: tuple[str, ...], value: object, told: str
) -> None:
    path = tmp_path / "costs-here.json"
    costs.write_costs(path, a_file(CostKind("websocket")))
    document = json.loads(path.read_text())
    *way, last = place
    table = document["transports"][0]
    for name in way:
        table = table[name]
    if value is None:
        del table[last]
    else:
        table[last] = value
    path.write_text(json.dumps(document))
    with pytest.raises(RunError, match=rf"costs-here\.json: transports\.0\.{re.escape(told)}"):
        costs.read_costs(path)


def test_each_kind_stands_there_once(tmp_path: Path) -> None:
    path = tmp_path / "costs-here.json"
    costs.write_costs(path, a_file(CostKind("websocket"), CostKind("websocket")))
    with pytest.raises(RunError, match=r"transports\.1\.kind: found websocket again"):
        costs.read_costs(path)


def test_this_hosts_file_comes_before_the_reference(tmp_path: Path) -> None:
    """The project's own is what a fresh machine has."""
    assert costs.default_costs(tmp_path) == costs.REFERENCE
    own = tmp_path / f"costs-{costs.host_slug()}.json"
    costs.write_costs(own, a_file(CostKind("websocket")))
    assert costs.default_costs(tmp_path) == own
