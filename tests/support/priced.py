"""Assumed costs, for tests of simulated runs: about those of a fast machine."""

from __future__ import annotations

from pathlib import Path

from bench import transports
from bench.experiment import plan, prepare
from bench.simulation.calibration.costs import CostKind, CostsFile, Estimate, KindCosts, write_costs
from bench.simulation.run import SimulationInputs
from bench.simulation.shards import Case

COSTS = {"tick_s": 20e-6, "request_s": 25e-6, "answer_s": 15e-6, "update_s": 1e-6, "byte_s": 1e-9,
         "connection_s": 40e-6, "base_share": 0.005, "socket_share": 1e-7, "cooling_s": 0.1}
NET = {"up_s": 50e-6, "down_s": 60e-6, "feed_s": 150e-6}
LOAD_CLIENT = {"wake_s": 20e-6, "answer_s": 8e-6, "update_s": 3e-6}
OF_MESSAGES = {"costs": {"message_s": 90e-6, "message_cold_s": 300e-6}, "net": {"hop_s": 200e-6},
               "load_client": {"send_s": 300e-6}}


def priced(messages: bool = False) -> CostsFile:
    """Return costs of all transports, with those of clients' messages if asked for."""
    more = OF_MESSAGES if messages else {part: {} for part in OF_MESSAGES}

    def estimates(part: str, values: dict[str, float]) -> dict[str, Estimate]:
        return {name: Estimate(value) for name, value in {**values, **more[part]}.items()}

    return CostsFile(
        host_name="nowhere", host={"cpu_model": "Imagined 3000", "cores": [0, 1]},
        made_at="2026-11-01T12:00:00Z", commit=None, versions={}, runs=["made up"],
        transports=[KindCosts(CostKind(name), estimates("costs", COSTS), estimates("net", NET),
                              estimates("load_client", LOAD_CLIENT))
                    for name in transports.own_names()],
    )


def priced_file(folder: Path, messages: bool = False) -> Path:
    """Write the assumed costs to a file."""
    path = folder / "costs-nowhere.json"
    write_costs(path, priced(messages))
    return path


SMALL = ("load.clients=[30]", "windows.measure_s=2.0", "trials.count=1")


def case(label: str, *overrides: str, number: int = 0) -> Case:
    """Return a small trial of one subject of the quick scenario."""
    question = prepare.read("quick", [*SMALL, *overrides])
    setting = SimulationInputs(question.scenario, question.options, priced(question.scenario.feed.source == "clients"))
    planned = next(each for each in plan.trials(question.scenario) if each.subject == label)
    return setting.case(planned, number)
