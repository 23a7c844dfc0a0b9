from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_ops.grammar.dates import date_order, find_dates, find_times


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("25/12/2018", "2018-12-25"),
        ("25.12.2018", "2018-12-25"),
        ("25-12-2018", "2018-12-25"),
        ("25 / 12 / 2018", "2018-12-25"),
        ("25 12 2018", "2018-12-25"),
        ("5.3.2018", "2018-03-05"),
        ("18.05.20", "2020-05-18"),
        ("09/02/17", "2017-02-09"),
        ("17-06-18", "2018-06-17"),
        ("2018-03-05", "2018-03-05"),
        ("2017/12/25", "2017-12-25"),
        ("2018.03.05", "2018-03-05"),
        ("2018-03-05T10:20:00", "2018-03-05"),
        ("20180503", "2018-05-03"),
        ("10 OCT 2017 TUE", "2017-10-10"),
        ("21-Mar-18", "2018-03-21"),
        ("21MAR2018", "2018-03-21"),
        ("August 3 , 2014", "2014-08-03"),
        ("February 17, 2026", "2026-02-17"),
        ("1st of June 2019", "2019-06-01"),
        ("3. März 2019", "2019-03-03"),
        ("3. Maerz 2019", "2019-03-03"),
        ("12. Dezember 2020", "2020-12-12"),
        ("1er janvier 2020", "2020-01-01"),
        ("14 août 2021", "2021-08-14"),
        ("5 de mayo de 2021", "2021-05-05"),
        ("7 maart 2022", "2022-03-07"),
        ("9 ottobre 2019", "2019-10-09"),
        ("2018年5月3日", "2018-05-03"),
        ("24年8月8日", "2024-08-08"),
        ("O3/05/2018", "2018-05-03"),
        ("(29/07/2016)", "2016-07-29"),
        ("Date:29-10-2017 18:31:45", "2017-10-29"),
        ("01/08/18(Wed)", "2018-08-01"),
    ],
)
def test_date_is_read_day_first(printed: str, expected: str) -> None:
    assert [d.iso for d in find_dates(printed)] == [expected]


@pytest.mark.parametrize(
    ("printed", "day", "time"),
    [
        ("25/12/2018 8:13 PM", "2018-12-25", "20:13"),
        ("27/05/20188:07 PM", "2018-05-27", "20:07"),
        ("06/04/1711:43am", "2017-04-06", "11:43"),
        ("30.04.2009:58", "2020-04-30", "09:58"),
        ("25/12/201808:13", "2018-12-25", "08:13"),
        ("23-MAR-2018 18:30:05", "2018-03-23", "18:30:05"),
    ],
)
def test_date_and_time_glued_together_are_told_apart(printed: str, day: str, time: str) -> None:
    assert [d.iso for d in find_dates(printed)] == [day]
    assert [t.iso for t in find_times(printed)] == [time]


@pytest.mark.parametrize(
    "text",
    [
        "31/02/2018",
        "99/99/2018",
        "03-87686092",
        "1.234,56",
        "RM 12.50",
        "192.168.10.20",
        "00/00/00",
        "2099-13-01",
        "",
    ],
)
def test_what_is_no_calendar_day_is_no_date(text: str) -> None:
    assert find_dates(text) == ()


def test_month_first_when_the_document_says_so() -> None:
    assert find_dates("03/05/2018", "mdy")[0].iso == "2018-03-05"
    assert find_dates("03/05/2018", "dmy")[0].iso == "2018-05-03"


def test_impossible_month_turns_the_order_for_that_date_only() -> None:
    assert find_dates("12/25/2018", "dmy")[0].iso == "2018-12-25"
    assert find_dates("25/12/2018", "mdy")[0].iso == "2018-12-25"


def test_order_follows_the_dates_that_can_only_be_one() -> None:
    assert date_order(["03/05/2018", "25/12/2018"]) == "dmy"
    assert date_order(["03/05/2018", "12/25/2018"]) == "mdy"
    assert date_order(["03/05/2018"], hint="mdy") == "mdy"
    assert date_order([]) == "dmy"


def test_date_that_reads_two_ways_is_not_sure() -> None:
    assert not find_dates("03/05/2018")[0].sure
    assert find_dates("25/05/2018")[0].sure
    assert find_dates("05/05/2018")[0].sure


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("13:54:00", "13:54:00"),
        ("8:13 PM", "20:13"),
        ("12:05 am", "00:05"),
        ("12:05 pm", "12:05"),
        ("09.00 Uhr", "09:00"),
        ("Time13:01:00", "13:01:00"),
        ("18h30", "18:30"),
        ("01:48:57 PM", "13:48:57"),
    ],
)
def test_time_of_day_is_read(printed: str, expected: str) -> None:
    assert [t.iso for t in find_times(printed)] == [expected]


@pytest.mark.parametrize("text", ["9.00", "RM 12.50", "25:61", "1:2", "2018-03-05"])
def test_prices_are_not_times(text: str) -> None:
    assert find_times(text) == ()


@given(st.text(max_size=80))
def test_no_text_breaks_the_grammar(text: str) -> None:
    for printed in find_dates(text):
        date.fromisoformat(printed.iso)
    find_times(text)


@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2079, 12, 31)))
def test_every_day_comes_back_from_the_usual_forms(day: date) -> None:
    for form in ("%d/%m/%Y", "%d.%m.%Y", "%Y-%m-%d", "%d %B %Y", "%d-%b-%Y", "%B %d, %Y"):
        assert [d.iso for d in find_dates(day.strftime(form))] == [day.isoformat()]
