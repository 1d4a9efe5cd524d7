"""The pages: where each sentence, table and figure goes, and the files.

Modules, in reading order:

    answer      the answer of a simulated run, at the top of its page
    run         `report.html` and `report.md` of a run
    capacity    the page of a search for the capacity limit
    compare     two runs side by side
    render      the page that all reports are, to HTML and Markdown
    storm       the page of a reconnect storm
    crossover   the page of a crossover map
    decision    the page of a decision
    validation  the page of a validation
"""
