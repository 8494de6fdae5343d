from data.schemas.report import BadRow, listing


def test_a_bad_cell_is_one_line():
    row = BadRow(3, "weight", "1.7", "0 <= weight <= 1")

    assert str(row) == "row 3, column weight: value 1.7 breaks 0 <= weight <= 1"


def test_an_empty_cell_is_called_empty():
    row = BadRow(3, "weight", "", "must not be empty")

    assert str(row) == "row 3, column weight: value (empty), which must not be empty"


def test_what_a_value_is_not_is_told_in_a_sentence():
    row = BadRow(3, "weight", "high", "is not a number")

    assert str(row) == "row 3, column weight: value 'high', which is not a number"


def test_ten_rows_are_listed_and_more_are_counted():
    rows = [BadRow(i, "a", "x", "r") for i in range(1, 12)]

    assert len(listing("f.csv", rows[:10]).splitlines()) == 10
    lines = listing("f.csv", rows).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "f.csv: 11 bad values in all, the first 10 are listed"
