"""Text from files, made harmless for where it goes.

Modules, in reading order:

    plain     escapes text for the terminal, for Markdown and for cells of CSV files
    terminal  the terminal, on which text from files is shown and never obeyed
"""
