"""Published claims, judged by a run's own records.

    scenarios/claims/<name>.toml ─► run ─► trials ─► formula ─► interval ─► verdict ─► claims.csv, report

A claim is data (`bench.scenario.model.Claim`): the statement, its author, the numbers and their unit, the
formula for our number, and the tolerance. `formulas` turns trials into our numbers, `judge` compares them with
the stated ones. A further claim is one more file; only a new kind of number needs a new formula.

Modules, in reading order:

    formulas  our number for each kind of claim
    judge     our interval against the stated number
"""

from bench.claims.judge import Judgement, check, judged, table

__all__ = ["Judgement", "check", "judged", "table"]
