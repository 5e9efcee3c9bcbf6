"""Whatever is wrong with a recording ends in a typed error that names it, or in a counted drop."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.replay.outcomes.made import ENDINGS, columns, row, rows, write

from routenlp.errors import CorruptData, DataError, MissingData
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import Dropped

GOOD = rows(4, "a", "b")


def with_value(column, value):
    """The second row is wrong."""
    return [one | {column: value} if i == 1 else one for i, one in enumerate(GOOD)]


@pytest.mark.parametrize(
    ("column", "value", "remedy"),
    [
        ("quality", 1.5, "divide the grades"),
        ("quality", -0.2, "divide the grades"),
        ("quality", float("inf"), "divide the grades"),
        ("cost_usd", -0.001, "USD, 0 or more"),
        ("cost_usd", float("inf"), "USD, 0 or more"),
        ("confidence", -3.2, "log-probabilities"),
        ("latency_ms", -1, "milliseconds"),
        ("output_tokens", -1, "number of tokens"),
    ],
)
def test_a_number_out_of_its_range_names_row_column_value_and_remedy(column, value, remedy):
    with pytest.raises(DataError, match=rf"row 2, column {column}: is {value:g}\. .*{remedy}"):
        read_outcomes(columns(with_value(column, value)))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_word_for_a_number_is_named(tmp_path, ending):
    recorded = [one | {"quality": "good" if i == 1 else str(one["quality"])} for i, one in enumerate(GOOD)]
    path = write(tmp_path / f"log.{ending}", recorded)
    with pytest.raises(DataError, match=r"row 2, column quality: is 'good', expected a number") as raised:
        read_outcomes(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("value", [[0.5], {"a": 1}, 10**400, "0.5.1"])
def test_what_is_no_number_at_all_is_named(value):
    with pytest.raises(DataError, match=r"row 2, column quality: is .*, expected a number"):
        read_outcomes(columns(with_value("quality", value)))


def test_columns_of_lists_in_a_parquet_file_are_no_numbers(tmp_path):
    table = columns(GOOD) | {"quality": [[0.5]] * len(GOOD)}
    pq.write_table(pa.table(table), tmp_path / "log.parquet")
    with pytest.raises(DataError, match=r"row 1, column quality: is \[0.5\], expected a number"):
        read_outcomes(tmp_path / "log.parquet")


@pytest.mark.parametrize("column", ["query_id", "model"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_row_without_id_or_model_is_named(tmp_path, column, ending):
    with pytest.raises(DataError, match=rf"row 2, column {column}: is empty"):
        read_outcomes(write(tmp_path / f"log.{ending}", with_value(column, None)))


@pytest.mark.parametrize("column", ["query_id", "model", "quality"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_required_column_that_is_absent_is_named(tmp_path, column, ending):
    recorded = [{name: value for name, value in one.items() if name != column} for one in GOOD]
    with pytest.raises(DataError, match=rf"has no column '{column}'.* required\. (It has|Of the columns read here)"):
        read_outcomes(write(tmp_path / f"log.{ending}", recorded))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_is_cut_short_is_corrupt(tmp_path, ending):
    path = write(tmp_path / f"log.{ending}", rows(2_000, "a", "b", response='of "some" length'))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CorruptData) as raised:
        read_outcomes(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_of_something_else_is_refused(tmp_path, ending):
    (tmp_path / f"log.{ending}").write_bytes(b"\x89PNG\r\n\x1a\n" * 100)
    with pytest.raises(DataError, match="log"):
        read_outcomes(tmp_path / f"log.{ending}")


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_empty_file_is_refused(tmp_path, ending):
    (tmp_path / f"log.{ending}").write_bytes(b"")
    with pytest.raises(DataError, match=r"has no column 'query_id'|holds no rows"):
        read_outcomes(tmp_path / f"log.{ending}")
    (tmp_path / f"log.{ending}.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match=r"has no column 'query_id'|holds no rows"):
        read_outcomes(tmp_path / f"log.{ending}.gz")


def test_a_header_without_rows_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("query_id,model,quality,cost_usd\n")
    with pytest.raises(CorruptData, match="holds no rows"):
        read_outcomes(tmp_path / "log.csv")
    pq.write_table(pa.table(columns(GOOD)).slice(0, 0), tmp_path / "log.parquet")
    with pytest.raises(CorruptData, match="holds no rows"):
        read_outcomes(tmp_path / "log.parquet")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_is_not_there_is_missing(tmp_path, ending):
    with pytest.raises(MissingData, match="there is no such file"):
        read_outcomes(tmp_path / f"log.{ending}")


def test_an_unknown_format_names_the_known_ones(tmp_path):
    with pytest.raises(DataError, match=r"log.xlsx: is of no known format\. .*\.parquet, \.csv"):
        read_outcomes(tmp_path / "log.xlsx")


def test_a_ragged_line_is_named(tmp_path):
    (tmp_path / "log.csv").write_text("query_id,model,quality\nq,a,1\nq,b\n")
    with pytest.raises(CorruptData, match="row 2: has 2 fields, and the header 3"):
        read_outcomes(tmp_path / "log.csv")


def test_a_column_twice_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("query_id,model,quality,quality\nq,a,1,0\n")
    with pytest.raises(DataError, match="two columns are called 'quality'"):
        read_outcomes(tmp_path / "log.csv")


def test_a_line_that_is_no_object_is_named(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"query_id": "q", "model": "a", "quality": 1}\n\n[1]\n')
    with pytest.raises(CorruptData, match="line 3: is '\\[1\\]"):
        read_outcomes(tmp_path / "log.jsonl")


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "log.csv").write_bytes("query_id,model,quality\nqé,a,1\n".encode("latin-1"))
    with pytest.raises(CorruptData, match="is not UTF-8 text"):
        read_outcomes(tmp_path / "log.csv")


@pytest.mark.parametrize("frame", [[1, 2], 3, None, {"query_id": 1}])
def test_what_has_no_columns_is_no_frame(frame):
    with pytest.raises(DataError, match=r"the frame: .* Give a pandas or polars frame"):
        read_outcomes(frame)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="differ in length"):
        read_outcomes({"query_id": ["q"], "model": ["a", "b"], "quality": [1, 1]})


def test_rows_without_quality_are_dropped_and_counted():
    table = read_outcomes(columns(with_value("quality", float("nan"))))
    assert table.ids == ("q1", "q2", "q3")
    assert table.dropped[0] == Dropped("rows", 1, "they have no quality", ("q0 / b",))
    assert (table.dropped[1].what, table.dropped[1].count) == ("queries", 1)


def test_equal_repeats_become_one_row():
    table = read_outcomes(columns([*GOOD, GOOD[1], GOOD[1]]))
    assert table.n == 4
    assert table.dropped == (Dropped("rows", 2, "they repeat another row of their query and model", ("q0 / b",)),)


def test_of_differing_repeats_none_is_kept():
    table = read_outcomes(columns([*GOOD, GOOD[1], GOOD[1] | {"quality": 0.5}]))
    assert table.ids == ("q1", "q2", "q3")
    assert (table.dropped[0].what, table.dropped[0].count) == ("rows", 3)
    assert "more than once, with different values" in table.dropped[0].why


def test_one_model_is_not_enough():
    with pytest.raises(DataError, match=r"only the model 'a' is left\. Routing needs at least two"):
        read_outcomes(columns(rows(3, "a")))


def test_models_that_share_no_query_cannot_be_compared():
    recorded = [row("q1", "a"), row("q2", "b"), row("q3", "a")]
    with pytest.raises(DataError, match=r"no query is left.*3 queries: only one model answered them"):
        read_outcomes(columns(recorded))


def test_models_that_cost_nothing_leave_nothing_to_save():
    with pytest.raises(DataError, match="every model costs 0"):
        read_outcomes(columns([one | {"cost_usd": 0.0} for one in GOOD]))
