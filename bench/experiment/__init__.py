"""A run, from a scenario to records on disk: its plan, its processes, its folder.

    prepare ─► plan ─► needs ─► journal ─► run ─► trial ─► programs ─► processes ─► guard
    (question)  (order)  (fits?)  (folder)   (loop)  (one)    (commands)  (children)   (each one's)

Collecting only: what the records mean is judged by `bench.audit` and `bench.stats`, from the files.
"""
