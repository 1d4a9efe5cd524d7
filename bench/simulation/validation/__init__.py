"""Predicted against measured cells.

Modules, in reading order:

    resimulate  the very cells that were measured, simulated
    validation  a validation on disk
"""
