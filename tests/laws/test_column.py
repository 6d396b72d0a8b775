"""A column of a text file: every way to write one that is read, and every one that is refused with its line."""

import time

import numpy as np
import pytest

from jaxq.laws.column import read_column


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Write a file and read a column of it: ``read(text, column="#2")``."""
    monkeypatch.chdir(tmp_path)

    def read(text, column="", encoding="utf-8"):
        (tmp_path / "x.csv").write_bytes(text.encode(encoding))
        return read_column(("law", "x"), f"x.csv{column}")

    return read


GOOD = {
    "one column": ("1.5\n0\n2e3\n", "", [1.5, 0, 2000]),
    "a header": ("gap\n1\n2\n", "", [1, 2]),
    "a title of several words": ("service time (s)\n1\n2\n", "", [1, 2]),
    "by name": ("id,gap\n7,1\n8,2\n", "#gap", [1, 2]),
    "by number": ("id,gap\n7,1\n8,2\n", "#1", [7, 8]),
    "by number without names": ("7,1\n8,2\n", "#2", [1, 2]),
    "semicolons before commas": ("a,b;gap\nx,y;1\nu;2\n", "#2", [1, 2]),
    "tabs before commas": ("a,b\tgap\nx,y\t1\n", "#gap", [1]),
    "white space": ("  id   gap \n 7  1\n8 2  \n", "#gap", [1, 2]),
    "spaces after commas": ("id, gap\n7, 1\n8, 2\n", "#gap", [1, 2]),
    "quotes": ('"name, full","gap"\n"Doe, ""J""","1"\nRoe,2\n', "#gap", [1, 2]),
    "a quoted end of line": ('name,gap\n"Doe,\nJ",1\nRoe,2\n', "#gap", [1, 2]),
    "text in the other columns": ("when,gap\n2024-01-01 08:00,1\nlate,2\n", "#gap", [1, 2]),
    "an index without a name": (",gap\n0,1\n1,2\n", "#gap", [1, 2]),
    "data first, its column a number": ("monday,1\ntuesday,2\n", "#2", [1, 2]),
    "comments and empty lines": ("# seconds\n\n1 # short\n  \n2\n", "", [1, 2]),
    "a name with a hash": ("id,no#1\n7,1\n", "#2", [1]),
    "Windows": ("id,gap\r\n7,1\r\n8,2\r\n", "#gap", [1, 2]),
    "no last end of line": ("1\n2", "", [1, 2]),
}


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_read(read, kind):
    text, column, values = GOOD[kind]
    found = read(text, column).values
    assert found.dtype == np.float64 and found.tolist() == values


def test_a_byte_order_mark_is_no_part_of_the_first_cell(read):
    assert read("1.5\n2\n", encoding="utf-8-sig").values.tolist() == [1.5, 2]
    assert read("gap,id\n1,2\n", "#gap", "utf-8-sig").values.tolist() == [1]


def test_a_file_with_a_hash_in_its_name(tmp_path):
    (tmp_path / "run#2").write_text("5\n")
    (tmp_path / "run#3.csv").write_text("a,b\n1,2\n")
    assert read_column(("law", "x"), f"{tmp_path}/run#2").values.tolist() == [5]
    assert read_column(("law", "x"), f"{tmp_path}/run#3.csv#b").values.tolist() == [2]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    (tmp_path / "link.csv").symlink_to("data.csv")
    assert read_column(("law", "x"), f"{tmp_path}/link.csv#b").values.tolist() == [2]


SEVERAL = "the file has the columns id, gap: must be FILE#COLUMN, one of them or its number"
NUMBER = "must be a finite number"
BAD = {
    "several columns": ("id,gap\n7,1\n", "", SEVERAL),
    "several columns without names": ("7 1\n8 2\n", "", "has 2 columns without names: must be FILE#COLUMN, a number"),
    "decimal commas in two columns": ("0,5\n1,5\n", "", "a comma stands between columns, not for a decimal point"),
    "another name": ("id,gap\n7,1\n", "#gaps", SEVERAL),
    "another case": ("id,gap\n7,1\n", "#Gap", SEVERAL),
    "no name": ("id,gap\n7,1\n", "#", SEVERAL),
    "column 0": ("id,gap\n7,1\n", "#0", SEVERAL),
    "column 3": ("id,gap\n7,1\n", "#3", SEVERAL),
    "a name without header": (
        "7,1\n8,2\n",
        "#gap",
        "has 2 columns without names: must be FILE#COLUMN, a number from 1",
    ),
    "a name that is there twice": ("gap,gap\n7,1\n", "#gap", "the columns gap, gap: must be"),
    "a column of one": ("7\n", "#2", "has 1 column without names: must be FILE#1 or FILE"),
    "decimal commas": ("id;gap\n7;0.5\n8;1,5\n", "#gap", f"line 3 has 1,5: {NUMBER}"),
    "decimal commas under a title": ("gap\n0,5\n", "", f"line 2 has 0,5: {NUMBER}"),
    "a date-time": ("when\n1\n2024-01-01T08:00:00\n", "", f"line 3 has 2024-01-01T08:00:00: {NUMBER}"),
    "a date-time with a space": ("when,x\n2024-01-01 08:00:00,1\n", "#when", "has 2024-01-01 08:00:00: "),
    "times of day, the first one too": ("08:00:00\n08:01:00\n", "", f"line 1 has 08:00:00: {NUMBER}"),
    "words": ("1\ntwo\n", "", f"line 2 has two: {NUMBER}"),
    "a long word": ("1\n" + "x" * 99 + "\n", "", f"line 2 has {'x' * 30}...: {NUMBER}"),
    "an empty cell": ("id,gap\n7,1\n\n8,\n", "#gap", f"line 4 has an empty cell: {NUMBER}"),
    "nan": ("1\nNaN\n", "", f"line 2 has NaN: {NUMBER}"),
    "infinity": ("1\n-inf\n", "", f"line 2 has -inf: {NUMBER}"),
    "too large": ("1\n1e999\n", "", f"line 2 has 1e999: {NUMBER}"),
    "an underscore": ("1\n1_000\n", "", f"line 2 has 1_000: {NUMBER}"),
    "a unit": ("1\n2 min\n", "", "line 2 has 2 cells: must have 1, as the first row"),
    "a short row": ("id,gap\n7,1\n# why\n8\n", "#id", "line 4 has 1 cell: must have 2, as the first row"),
    "a long row": ("id,gap\n7,1\n8,2,3\n", "#gap", "line 3 has 3 cells: must have 2, as the first row"),
    "a quote that does not end": ('id,gap\n7,"1\n8,2\n', "#gap", "is no row of cells"),
    "nothing": ("", "", "must have numbers, and the file has none"),
    "comments": ("# a\n\n# b\n", "", "must have numbers, and the file has none"),
    "a header": ("id,gap\n", "#gap", "must have numbers, and the file has none"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_refused(read, kind):
    text, column, words = BAD[kind]
    with pytest.raises(ValueError) as error:
        read(text, column)
    assert str(error.value).startswith("law = x: ") and words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"\xff\xfe1\x00\n\x00", bytes(range(256)), b"PK\x03\x04\x99\xe9"])
def test_what_is_no_text(tmp_path, data):
    (tmp_path / "x.xlsx").write_bytes(data)
    with pytest.raises(ValueError, match=r"must be a file of text in UTF-8, and .*x.xlsx is none"):
        read_column(("law", "x"), f"{tmp_path}/x.xlsx")


def test_a_refused_number_is_named_with_its_line(read):
    column = read("time\n# day 1\n5\n\n1700000005\n")
    assert str(column.refused(1, "must be less")) == "law = x: line 5 has 1700000005: must be less"


def test_a_million_numbers_take_seconds_and_keep_their_digits(read):
    values = np.random.default_rng(3).exponential(size=10**6)
    text = "id,gap\n" + "".join(f"{i},{x!r}\n" for i, x in enumerate(values.tolist()))
    began = time.process_time()
    found = read(text, "#gap")
    assert np.array_equal(found.values, values) and found.lines[-1] == 10**6 + 1
    assert time.process_time() - began < 10  # 1.2 on a quiet core
