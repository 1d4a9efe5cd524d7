"""Published claims, judged by a run's own records.

    scenarios/claims/<name>.toml ─► run ─► trials ─► formula ─► interval ─► verdict ─► claims.csv, report

A claim is data: what was said, by whom, which numbers, in which unit, by which formula ours is computed,
and how far it may be off (`scenario.Claim`). `formulas` turns trials into our numbers, `judge` sets them
beside the stated ones. A further claim is one more file; only a new kind of number needs a new formula.

Modules, in reading order:

    formulas  our number for each kind of claim
    judge     our interval against the stated number
"""

from bench.claims.judge import Judged, check, judged, table

__all__ = ["Judged", "check", "judged", "table"]
