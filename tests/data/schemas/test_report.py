from data.schemas.report import BadRow, listing


def test_a_bad_cell_is_one_line():
    row = BadRow(3, "weight", "1.7", "0 <= weight <= 1")

    assert str(row) == "row 3, column weight: value 1.7 breaks 0 <= weight <= 1"


def test_an_empty_cell_is_called_empty():
    assert "value (empty) breaks" in str(BadRow(3, "weight", "", "must be a number"))


def test_ten_rows_are_listed_and_more_are_counted():
    rows = [BadRow(i, "a", "x", "r") for i in range(1, 12)]

    assert len(listing("f.csv", rows[:10]).splitlines()) == 10
    lines = listing("f.csv", rows).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "f.csv: 11 bad values in all, the first 10 are listed"
