"""Text from files, made harmless for the terminal, for a Markdown report and for cells of a CSV file.

    visible        terminal     control characters become pictures: ESC is ␛, BEL is ␇
    in_markdown    report.md    as above, and without HTML and links
    in_cells       *.csv        a text that a spreadsheet would take for a formula gets an apostrophe in front
    from_cells                  the inverse of `in_cells`, for what is read back

A symbol, a label, a path or the end of a server's log may hold anything. HTML is escaped by its templates.

Known weakness: characters that change the direction of writing are left as they are. pandas neither quotes a
carriage return in a cell nor is asked to do so here, so when it reads the file back, the row ends there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_PICTURES |= {0x7F: 0x2421, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD)}
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
"""A `<` that opens a tag, a comment or a link in angle brackets."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""The beginning of a text that a spreadsheet would compute, with any apostrophes already before it."""


def visible(text: str) -> str:
    """Return `text` with a picture in place of each control character, except line feeds and tabs."""
    return text.translate(_PICTURES)


def in_markdown(text: Any) -> Any:
    """Return a text without raw HTML, links and control characters, and any other value unchanged.

    Applying it twice gives the same as applying it once, so the output of a macro may pass through it again.
    """
    if not isinstance(text, str):
        return text
    return _TAG.sub("&lt;", visible(text)).replace("](", "]\\(").replace("]:", "]\\:")


def in_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts a spreadsheet shows as they are instead of computing them."""
    return _with_texts(frame, lambda text: f"'{text}" if _is_computed(text) else text)


def from_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table that was passed to `in_cells`, from the result of `in_cells`."""
    return _with_texts(frame, lambda text: text[1:] if text[:1] == "'" and _FORMULA.match(text) else text)


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table as the text of a CSV file, without its index, with texts escaped by `in_cells`."""
    text: str = in_cells(frame).to_csv(index=False, lineterminator="\n")
    return text


def read_csv(source: Any) -> pd.DataFrame:
    """Read a CSV file (a path or an open file) that `csv_text` or `write_csv` wrote."""
    import pandas as pd  # here, so that programs without tables need not wait for it

    return from_cells(pd.read_csv(source))


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table to a CSV file in UTF-8, as `csv_text` formats it."""
    path.write_bytes(csv_text(frame).encode())


def _with_texts(frame: pd.DataFrame, change: Any) -> pd.DataFrame:
    names = frame.select_dtypes(include=["object", "string"]).columns
    changed = {name: frame[name].map(lambda each: change(each) if isinstance(each, str) else each)
               for name in names}
    return frame.assign(**changed) if changed else frame


def _is_computed(text: str) -> bool:
    if not _FORMULA.match(text):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
