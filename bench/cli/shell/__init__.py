"""The border between a command and the shell that starts it.

Modules, in reading order:

    surroundings  the requirements of a command on its environment
    verbs         the application, and the import of what is asked for
    reason        the last line of a command that does not exit with 0
"""
