"""Text from files, made harmless for where it goes: the terminal, a Markdown report, a cell of a CSV file.

    visible        terminal     control characters as pictures: ESC as ␛, BEL as ␇
    in_markdown    report.md    the same; no HTML, no link
    in_cells       *.csv        a text that a spreadsheet would take for a formula begins with an apostrophe
    from_cells                  the inverse, for what is read back

A symbol, a label, a path or the tail of a server's log may hold anything. HTML is escaped by its templates.

Known weakness: characters that turn the direction of writing are left as they are. A carriage return within a
cell ends its row for pandas, which neither quotes it nor is told to here.
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
"""What opens a tag, a comment or a link in angle brackets."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a text begins that a spreadsheet computes, or that an apostrophe was set before already."""


def visible(text: str) -> str:
    """Return `text` with a picture in place of each control character but line feed and tab."""
    return text.translate(_PICTURES)


def in_markdown(text: Any) -> Any:
    """Return a text without raw HTML, links and control characters; what is no text as it is.

    To apply it twice is to apply it once, so that a macro's output may pass through it, too.
    """
    if not isinstance(text, str):
        return text
    return _TAG.sub("&lt;", visible(text)).replace("](", "]\\(").replace("]:", "]\\:")


def in_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts a spreadsheet shows and does not compute."""
    return _with_texts(frame, lambda text: f"'{text}" if _is_computed(text) else text)


def from_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table that `in_cells` was given."""
    return _with_texts(frame, lambda text: text[1:] if text[:1] == "'" and _FORMULA.match(text) else text)


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table as the text of a CSV file."""
    text: str = in_cells(frame).to_csv(index=False, lineterminator="\n")
    return text


def read_csv(source: Any) -> pd.DataFrame:
    """Read a table that `csv_text` wrote."""
    import pandas as pd  # here, since programs that write none need not wait for it

    return from_cells(pd.read_csv(source))


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table to a CSV file."""
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
