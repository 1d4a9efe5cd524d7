"""Which transport to take in one situation, and what would change the answer.

Modules, in reading order:

    decision        the answer, its bands, and the turns along three axes; pure
    decision_study  a scenario's decision: its transports, its percentiles by the engine, its tables
"""
