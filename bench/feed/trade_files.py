"""The content of a trade file as batches of columns, independently of its wrapping.

    path ─► file or pipe ─► .gz and .zip taken off, known by their first bytes ─► Parquet or CSV ─► batches

The type is never inferred from the file's ending. A pipe is read once, from beginning to end. Formats that
need seeking (Parquet, a zip archive) are first copied from it into a file that has no name. Parsing is
pyarrow's: CSV columns come as bytes, those of Parquet in their own types, some hundred kB at a time, so that
a file of any size takes little memory here.

Errors of the library are reported in our words (`FeedFileError`), since its own messages name neither the
row nor the allowed values.

Known weakness: a pipe that never ends is read without end, or until the limit of trades.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from bench.errors import FeedFileError
from bench.scenario.parsing import short
from bench.scenario.trade_formats import (
    SAMPLE_ROWS,
    Layout,
    RequestedFormat,
    Unrecognised,
    of_header,
    of_rows,
)

HEAD_BYTES = 65_536
BLOCK_BYTES = 1 << 18
BATCH_ROWS = 65_536
DEPTH_MAX = 3
"""The largest number of nested wrappings."""
ALLOWED = "CSV or Parquet, as it is or in .gz or .zip"
OTHERS = (
    (b"PARE\x15", "an encrypted Parquet file"), (b"ARROW1\x00", "an Arrow file"), (b"ORC\x00", "an ORC file"),
    (b"BZh", "a bzip2 file"), (b"\xfd7zXZ", "an xz file"), (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf", "a 7-Zip archive"), (b"Rar!", "a RAR archive"), (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"), (b"SQLite format 3", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet"), (b"%PDF", "a PDF document"), (b"{", "JSON"), (b"[", "JSON"),
    (b"<", "HTML or XML"),
)
"""First bytes of formats that are not trade files, and their names."""
BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError)
"""The exceptions that reading a damaged wrapping raises."""

TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
NUMBERS = (*TEXT, pa.types.is_integer, pa.types.is_float64, pa.types.is_float32, pa.types.is_decimal)
TYPES: Mapping[str, tuple[str, tuple[Any, ...]]] = {
    "timestamp": ("text, whole or double numbers, or timestamps",
                  (*TEXT, pa.types.is_integer, pa.types.is_float64, pa.types.is_decimal,
                   pa.types.is_timestamp)),
    "symbol": ("text", (*TEXT, pa.types.is_dictionary)),
    "price": ("numbers", NUMBERS), "size": ("numbers", NUMBERS),
}
"""The types that the columns of a Parquet file may have; nulls are refused where they occur."""

Batch = Mapping[str, pa.Array]
"""Columns by role, all of one length."""


class TradeFile:
    """A trade file while it is read. Leaving the context closes it."""

    def __init__(self, path: Path, asked: RequestedFormat) -> None:
        self.path = path
        self.asked = asked
        self.sha256: str | None = None
        """The digest of a pipe's content, once it was read; None for a file."""
        self._close = ExitStack()
        self._hash = hashlib.sha256()

    def __enter__(self) -> TradeFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._close.close()

    def batches(self) -> Generator[Batch, None, None]:
        """Yield the columns that a trade needs, in the file's order.

        Raises `FeedFileError` if the file can't be read.
        """
        file, is_pipe = self._opened()
        try:
            yield from self._read(file, 0)
            if is_pipe:
                while file.read(BLOCK_BYTES):   # bytes after the last row are part of the digest
                    pass
                self.sha256 = self._hash.hexdigest()
        except BROKEN as error:
            raise self._broken(error) from error

    def _refuse(self, found: str, allowed: str = ALLOWED) -> FeedFileError:
        return FeedFileError(f"{self.path}: found {found}, allowed is {allowed}")

    def _broken(self, error: BaseException) -> FeedFileError:
        """Return the error for a wrapping that can't be read to its end."""
        if isinstance(error, OSError) and error.errno is not None:
            return FeedFileError(f"{self.path}: can't be read: {error.strerror}")
        cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        return self._refuse("a compressed file that is cut off" if cut
                            else "a compressed file that is damaged",
                            "one that can be unpacked to its end; download it again")

    def _opened(self) -> tuple[BinaryIO, bool]:
        """Open the path. Return the file, and True if it can be read only once."""
        try:
            mode = self.path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise self._refuse("a folder", f"a file: {ALLOWED}")
            if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
                raise self._refuse("a device", f"a file or a pipe: {ALLOWED}")
            file = self._close.enter_context(self.path.open("rb"))
        except (FileNotFoundError, NotADirectoryError):
            raise self._refuse("no such file", f"a file of trades: {ALLOWED}") from None
        except (OSError, ValueError) as error:   # a name that no file can have
            why = getattr(error, "strerror", None) or "a name that no file can have"
            raise FeedFileError(f"{short(repr(str(self.path)))}: can't be read: {why}") from error
        if stat.S_ISREG(mode):
            return file, False
        return cast(BinaryIO, io.BufferedReader(_Hashing(file, self._hash), BLOCK_BYTES)), True

    def _read(self, file: BinaryIO, depth: int) -> Iterator[Batch]:
        """Yield the batches of the content of `file`, which may be wrapped."""
        head, file = _opened(file)
        if head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06")) and depth == DEPTH_MAX:
            raise self._refuse(f"more than {DEPTH_MAX} wrappings")
        if head.startswith(b"\x1f\x8b"):
            unpacked = self._close.enter_context(gzip.GzipFile(fileobj=file, mode="rb"))
            yield from self._read(cast(BinaryIO, unpacked), depth + 1)
        elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from self._read(self._member(self._sought(file)), depth + 1)
        elif head.startswith(b"PAR1"):
            yield from self._parquet(self._sought(file))
        else:
            self._refuse_others(head)
            yield from self._csv(head, file)

    def _refuse_others(self, head: bytes) -> None:
        """Raise `FeedFileError` for content that is neither text nor a supported format."""
        for first, name in OTHERS:
            if head.startswith(first):
                raise self._refuse(name)
        if head[257:262] == b"ustar":
            raise self._refuse("a tar archive")
        if b"\x00" in head:
            raise self._refuse("bytes that are no text")

    def _sought(self, file: BinaryIO) -> BinaryIO:
        """Return the content in a file that supports seeking: itself, or a copy without a name."""
        if isinstance(file, io.BufferedReader) and file.seekable():
            return file
        copy = self._close.enter_context(tempfile.TemporaryFile())   # noqa: SIM115 (it is)
        while block := file.read(BLOCK_BYTES):
            copy.write(block)
        copy.seek(0)
        return cast(BinaryIO, copy)

    def _member(self, file: BinaryIO) -> BinaryIO:
        """Open the only file in a zip archive."""
        archive = self._close.enter_context(zipfile.ZipFile(file))
        members = [each for each in archive.infolist() if not each.is_dir()
                   and not each.filename.startswith("__MACOSX/")
                   and not Path(each.filename).name.startswith(".")]
        names = [each.filename for each in members]
        if "[Content_Types].xml" in names:
            raise self._refuse("a spreadsheet", "CSV: save it as that")
        if len(members) != 1:
            shown = short(", ".join(names))
            found = f"of {len(names)} files ({shown})" if names else "without a file"
            raise self._refuse(f"a zip archive {found}", "one with a single file; unpack it, and name one")
        if members[0].flag_bits & 1:
            raise self._refuse("a zip archive that needs a password",
                               "one that needs none; unpack it yourself")
        return cast(BinaryIO, self._close.enter_context(archive.open(members[0])))

    def _parquet(self, file: BinaryIO) -> Iterator[Batch]:
        """Yield the batches of a Parquet file."""
        try:
            parquet = pq.ParquetFile(file, buffer_size=BLOCK_BYTES, pre_buffer=False)
            schema = parquet.schema_arrow
            layout = self._layout(lambda: of_header(schema.names, self.asked))
            names = {role: schema.names[place] for role, place in layout.places.items()}
            self._refuse_types(schema, layout)
            columns = list(dict.fromkeys(names.values()))
            # Columns may share a name: each has its number among those of its name.
            nth = {role: schema.names[:place].count(names[role]) for role, place in layout.places.items()}
            for batch in parquet.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                yield {role: batch.column(batch.schema.get_all_field_indices(name)[nth[role]])
                       for role, name in names.items()}
        except UnicodeDecodeError as error:
            raise self._refuse("a column whose name is no UTF-8") from error
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise self._refuse("a Parquet file that is damaged or cut off",
                               "one that can be read to its end; download it again") from error

    def _refuse_types(self, schema: pa.Schema, layout: Layout) -> None:
        """Raise `FeedFileError` for a column of a type that its role can't have."""
        for role, place in layout.places.items():
            allowed, checks = TYPES[role]
            kind = schema.field(place).type
            inner = kind.value_type if pa.types.is_dictionary(kind) and role == "symbol" else kind
            if not any(check(kind) for check in checks) or (
                    inner is not kind and not any(check(inner) for check in TEXT)):
                raise FeedFileError(f"{self.path}: column {schema.names[place]}: found the type {kind}, "
                                    f"allowed is {allowed}")

    def _layout(self, find: Any) -> Layout:
        """Return the layout that `find` returns.

        Raises `FeedFileError`, with the file's name, for one that it does not recognise.
        """
        try:
            return cast(Layout, find())
        except Unrecognised as error:
            raise FeedFileError(f"{self.path}: {error}") from error

    def _csv(self, head: bytes, file: BinaryIO) -> Iterator[Batch]:
        """Yield the batches of a CSV file."""
        delimiter, rows = self._first_rows(head)
        layout = self._layout(lambda: of_rows(rows, self.asked))
        if layout.header and len(rows) == 1 and len(head) < HEAD_BYTES:
            return   # a header and nothing else
        names = [f"c{number}" for number in range(len(rows[0]))]
        wanted = {role: names[place] for role, place in layout.places.items()}
        columns = list(dict.fromkeys(wanted.values()))
        invalid: list[Any] = []

        def refuse(row: Any) -> str:
            invalid.append(row)
            return "error"

        try:
            reader = pa_csv.open_csv(
                pa.PythonFile(file, mode="r"),
                read_options=pa_csv.ReadOptions(column_names=names, skip_rows=int(layout.header),
                                                block_size=BLOCK_BYTES, use_threads=False),
                parse_options=pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=refuse),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=columns, column_types={name: pa.binary() for name in columns},
                    check_utf8=False, strings_can_be_null=False),
            )
            with reader:   # which reads ahead in a thread of its own
                for batch in reader:
                    yield {role: batch.column(name) for role, name in wanted.items()}
        except pa.ArrowInvalid as error:
            raise self._invalid(invalid, len(names), layout.header) from error

    def _first_rows(self, head: bytes) -> tuple[str, list[list[str]]]:
        """Return the delimiter, and the first rows with it."""
        text = head.decode("utf-8-sig", errors="replace")
        lines = text.splitlines()
        if len(head) == HEAD_BYTES and len(lines) > 1:
            lines = lines[:-1]   # the last one is cut off
        if not lines or not lines[0].strip():
            raise self._refuse("an empty first line", "a header timestamp,symbol,price,size or a first trade")
        delimiter = max(",;\t|", key=lines[0].count)
        try:
            rows = [[field.strip() for field in row]
                    for row in csv.reader(lines[: SAMPLE_ROWS + 1], delimiter=delimiter) if row]
        except csv.Error as error:
            raise self._refuse("a first line that is no CSV") from error
        return delimiter, rows

    def _invalid(self, invalid: list[Any], width: int, header: bool) -> FeedFileError:
        """Return the error, in our words, for a row that the library could not parse."""
        if not invalid:
            return self._refuse("a row that is longer than 256 kB, or a quote that is never closed",
                                f"{width} columns in every row")
        row = invalid[0]
        where = "" if row.number is None else f" row {row.number - int(header)},"
        return FeedFileError(f"{self.path}:{where} found {row.actual_columns} columns ({short(row.text)!r}), "
                             f"allowed is {width} columns, as in the first line")


class _Hashing(io.RawIOBase):
    """A raw stream whose content goes into a digest as it is read."""

    def __init__(self, raw: BinaryIO, digest: Any) -> None:
        self._raw = raw
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read1(len(buffer)) if hasattr(self._raw, "read1") else self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._digest.update(data)
        return len(data)


class _Prefixed(io.RawIOBase):
    """A raw stream of which the first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            taken = min(len(buffer), len(self._head))
            buffer[:taken], self._head = self._head[:taken], self._head[taken:]
            return taken
        data = self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _opened(file: BinaryIO) -> tuple[bytes, BinaryIO]:
    """Return the first bytes, and a stream that begins with them."""
    head = b""
    while len(head) < HEAD_BYTES and (more := file.read(HEAD_BYTES - len(head))):
        head += more
    if isinstance(file, io.BufferedReader) and file.seekable():
        file.seek(0)
        return head, file
    return head, cast(BinaryIO, io.BufferedReader(_Prefixed(head, file), BLOCK_BYTES))
