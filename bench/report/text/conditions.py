"""The conditions under which the answer of a run holds, as the end of its sentence.

    clients · feed · payload · options of each transport · network · servers · host · trials and ticks

A value of another run may differ by any of these, so they are on the first screen, beside the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.report import style
from bench.report.data.run import RunData, shown_clients
from bench.report.data.swept import by_rate
from bench.scenario.model import DEFAULT_SERVER, Scenario

INTERVALS = {"interval_s": "every {:g} s", "hold_s": "held for up to {:g} s"}
"""The options that are times between a client and its server, in words; the label of a swept one has them already."""


def conditions(run: RunData) -> str:
    """Return the conditions of the client count that the first screen shows: `with 500 clients, 10 ticks/s …`."""
    scenario = run.scenario
    texts = [
        style.counted(shown_clients(run), "client"), _feed(run, scenario), *_options(run), _network(run, scenario),
        _servers(scenario), "" if run.simulated else _host(run.manifest.host), _basis(run),
    ]
    return f"with {', '.join(filter(None, texts))}"


def _feed(run: RunData, scenario: Scenario) -> str:
    """Return the feed in words: its rate, its symbols, and the bytes of a tick where they were counted."""
    feed = scenario.feed
    cells = run.summary[run.summary["clients"] == shown_clients(run)]
    payload = cells["payload_bytes_down_per_update"].dropna()
    each = f" of {payload.mean():.0f} B" if len(payload) else ""
    if feed.schedule == "replay":
        return f"replayed trades{each}"
    rates = [rate for rate, _ in by_rate(run)]
    rate = f"{style.tick_rate(rates)}{each}"
    return f"{rate} in {style.counted(feed.symbols, 'symbol')}"


def _options(run: RunData) -> list[str]:
    """Return poll intervals, headers, TLS and compression in words; of the last three once where all subjects agree."""
    options = {label: _of_subject(run, label) for label in run.transports}
    texts = [f"{style.title(label)} {form.format(float(mine[name]))}" for label, mine in options.items()
             for name, form in INTERVALS.items() if mine.get(name) and f"{name}=" not in label]
    for name in ("headers", "tls", "compression"):
        values = {label: mine[name] for label, mine in options.items() if name in mine}
        words = {label: option_text(name, value) for label, value in values.items()}
        if name == "compression":
            words |= {label: f"{text} and context takeover" for label, text in words.items()
                      if options[label].get("context_takeover")}
        if len(set(words.values())) == 1:
            texts.append(next(iter(words.values())))
        else:
            texts += [f"{style.title(label)} with {each}" for label, each in words.items()
                      if each not in style.title(label)]
    return texts


def option_text(name: str, value: object) -> str:
    """Return the value of an option in words: `browser headers`, `no compression`, `TLS`."""
    noun = "TLS" if name == "tls" else name.replace("_", " ")
    if isinstance(value, bool):
        return noun if value else f"no {noun}"
    return f"no {noun}" if value == "none" else f"{value} {noun}"


def _of_subject(run: RunData, label: str) -> Mapping[str, Any]:
    """Return the options of a subject, from the run's manifest."""
    return run.manifest.subjects[label].options


def _network(run: RunData, scenario: Scenario) -> str:
    """Return the network in words; that of a measured run is the loopback."""
    asked = scenario.simulation
    if not run.simulated or asked.delays_s is None:
        return "over loopback"
    return f"a round trip of {1000 * sum(asked.delays_s):g} ms"


def _servers(scenario: Scenario) -> str:
    """Return the implementations of the servers in words; once where all are the same."""
    names = {label: "your own" if subject.external else subject.implementation
             for label, subject in scenario.transports.items()}
    if len(set(names.values())) == 1:
        return f"{next(iter(names.values()))} servers"
    if all(name == DEFAULT_SERVER or f"({name})" in style.title(label) for label, name in names.items()):
        return f"{DEFAULT_SERVER} servers where no other is named"
    return ", ".join(f"{style.title(label)} on {'' if subject.external else 'the '}{names[label]} server"
                     for label, subject in scenario.transports.items())


def _host(host: Mapping[str, Any]) -> str:
    """Return the host in words: its processor and the number of its cores."""
    cores = host.get("cores")
    count = len(cores) if isinstance(cores, list) else cores
    parts = [str(host["cpu_model"])] if host.get("cpu_model") else []
    parts += [style.counted(int(count), "core")] if count else []
    return f"on {' with '.join(parts)}" if parts else ""


def _basis(run: RunData) -> str:
    """Return the number of valid trials and of distinct ticks behind each transport's values."""
    cells = run.summary[run.summary["clients"] == shown_clients(run)]
    texts = []
    for name, noun in (("valid_trials", "trial"), ("ticks", "distinct tick")):
        values = cells[name].dropna() if name in cells else cells["clients"].head(0)
        if len(values):
            low, high = int(values.min()), int(values.max())
            texts.append(style.counted(low, noun) if low == high else f"{low:,} to {style.counted(high, noun)}")
    return f"{' and '.join(texts)} for each transport" if texts else ""
