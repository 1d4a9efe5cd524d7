"""Text from files, made harmless for the place where it is shown.

Modules, in reading order:

    plain     escapes text for the terminal, for Markdown and for cells of CSV files
    terminal  the terminal, which shows text from files and never obeys it
"""
