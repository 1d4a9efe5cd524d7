"""The terms of a report, each with its meaning in a sentence, so that a page explains itself without the net.

A heading of a table, or of the first screen, leads to its term at the page's end. The full definitions are in
docs/definitions.md.
"""

from __future__ import annotations

TERMS = {
    "latency": ("latency", (
        "the time from the instant at which an update was due, fixed before the trial, to when the client's code "
        "had it; a lost update counts as infinitely late")),
    "kernel-latency": ("kernel latency", (
        "the same up to the client's kernel, so without the wait in the client's own queue")),
    "percentile": ("p99, p95, p90", (
        "the latency that one update in 100, 20, 10 exceeds; printed where ticks, clients and trials tell it to "
        "± 25 %")),
    "excess-age": ("excess age, staleness", (
        "how much older what a client knows is, on average over time, than with an ideal client that has each "
        "update when it is due")),
    "age": ("age", "how long ago the newest update that a client has was due, averaged over time"),
    "bytes": ("bytes per update", (
        "bytes on the wire, TCP/IP headers and acknowledgements included, divided by the updates that arrived; "
        "down is to the client")),
    "server-cpu": ("server CPU per update", (
        "CPU time of the server's process in the measuring window, divided by the updates that arrived")),
    "memory": ("memory per client", (
        "the growth of the server's resident memory since before the first client came, divided by the clients")),
    "further-client": ("each further client", (
        "the memory that one more client takes: what the server takes once is in neither end and cancels")),
    "fates": ("delivered, late, conflated, lost", (
        "what became of each update that was due; late is after ℓ, lost after 2ℓ, conflated was left out on "
        "purpose for a newer one")),
    "ticks": ("ticks", "different updates of the feed, in all trials together; each goes to all who subscribe"),
    "trials": ("trials", "measurements of one cell with fresh processes; intervals are between trials"),
    "separable": ("separable", (
        "a difference that would appear by chance in less than 5 % of runs, compared within blocks and corrected "
        "by Holm's method, or one of a factor above 1.5 in every block and with its whole interval; what is not "
        "separable is a tie. The interval beside a comparison is as wide as that correction asks: it holds 1 where "
        "there is a tie, and only there")),
    "closed-form": ("closed form", "a formula of the transport, with nothing fitted to what it is compared with"),
    "workers": ("workers", "server processes with a core each, which share nothing"),
}
"""By the anchor in the page: the term, and its meaning."""
HEADINGS = {
    "median latency": "latency", "mean latency": "latency", "latency": "latency", "latency, mean": "latency",
    "kernel median": "kernel-latency", "p99 latency": "percentile", "p95 latency": "percentile",
    "p90 latency": "percentile", "excess age": "excess-age", "staleness": "excess-age", "mean age": "age",
    "bytes down": "bytes", "bytes up": "bytes", "bytes per update": "bytes", "server CPU": "server-cpu",
    "memory per client": "memory", "each further client": "further-client",
    "delivered": "fates", "late": "fates", "conflated": "fates", "lost": "fates", "ticks": "ticks",
    "trials": "trials", "valid trials": "trials", "verdict": "separable", "closed form": "closed-form",
    "workers": "workers",
}
"""By heading, the anchor of the term that explains it."""


def term_of(heading: str) -> str:
    """Return the anchor of the term that explains a heading; empty where none does."""
    return HEADINGS.get(heading, "")
