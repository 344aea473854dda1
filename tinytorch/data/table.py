"""Tables of numbers in CSV files."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from tinytorch.data.dataset import TensorDataset
from tinytorch.errors import FileFormatError
from tinytorch.tracer.factories import from_numpy

LONGEST = 10_000_000
"""Most characters of a line."""


class CSVDataset(TensorDataset):
    """The rows of a CSV file: float32 features and, with ``target``, the value of one column.

    ``target`` is a column's name or number. Whole numbers become int64, other numbers float32, and
    texts the numbers of ``classes``, which are sorted. ``names`` are those of the features; they
    come from the first row if ``header`` says so or, by default, if it holds no number. Raises
    FileFormatError, naming the line, for rows of unequal length and for what is no number.
    """

    def __init__(
        self, path: Any, target: str | int | None = None, *, delimiter: str = ",",
        header: bool | None = None, encoding: str = "utf-8",
    ) -> None:  # fmt: skip
        self.classes: list[str] | None = None
        rows = _rows(path, delimiter, encoding)
        first = next(rows, None)
        if first is None:
            raise FileFormatError(f"{path}: no rows")
        width = len(first[1])
        if header is None:
            header = not any(_is_number(field) for field in first[1])
        names = [f.strip() for f in first[1]] if header else [str(n) for n in range(width)]
        column = None if target is None else _column(target, names, path)
        features, targets = _read(
            rows if header else itertools.chain([first], rows), width, column, path
        )
        self.names = [name for number, name in enumerate(names) if number != column]
        tensors = [from_numpy(features)]
        if column is not None:
            values, self.classes = _targets(targets)
            tensors.append(from_numpy(values))
        super().__init__(*tensors)


def _rows(path: Any, delimiter: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with their line numbers."""
    with open(path, newline="", encoding=encoding) as file:
        reader = csv.reader(_lines(file, path), delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise FileFormatError(f"{path}, line {reader.line_num + 1}: {error}") from None


def _lines(file: IO[str], path: Any) -> Iterator[str]:
    """Lines of a file, of bounded length: a file without an end of line is no table."""
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise FileFormatError(f"{path}: a line of more than {LONGEST} characters")
        yield line


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _column(target: str | int, names: list[str], path: Any) -> int:
    if isinstance(target, str) and target in names:
        return names.index(target)
    if isinstance(target, int) and -len(names) <= target < len(names):
        return target % len(names)
    raise ValueError(f"{path} has no column {target!r}; its columns are {names}")


def _read(
    rows: Iterator[tuple[int, list[str]]], width: int, column: int | None, path: Any
) -> tuple[np.ndarray, list[str]]:
    """Features as an array, and the target's fields as text."""
    parts: list[np.ndarray] = []
    targets: list[str] = []
    for line, row in rows:
        if len(row) != width:
            raise FileFormatError(
                f"{path}, line {line}: {len(row)} fields where the first row has {width}"
            )
        if column is not None:
            targets.append(row[column].strip())
            row = row[:column] + row[column + 1 :]
        try:
            parts.append(np.array([float(field) for field in row], np.float32))
        except ValueError as error:
            raise FileFormatError(f"{path}, line {line}: {error}") from None
    features = width - (column is not None)
    return np.array(parts, np.float32).reshape(len(parts), features), targets


def _targets(fields: list[str]) -> tuple[np.ndarray, list[str] | None]:
    try:
        return np.array([int(field) for field in fields], np.int64), None
    except (ValueError, OverflowError):
        pass
    if all(map(_is_number, fields)):
        return np.array([float(field) for field in fields], np.float32), None
    classes = sorted(set(fields))
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers[field] for field in fields], np.int64), classes
