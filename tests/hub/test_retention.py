"""Retention rules: whole days in the centre's zone, the later of several, and never before it is known when."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core import retention
from hub.core.retention import AfterResults, AfterSitting, BadRule, Facts, LaterOf, Rule, UnlessRefer, due

VIENNA = ZoneInfo("Europe/Vienna")
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Vienna", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia")]
HOUR_MS = 3_600_000

moments = st.integers(min_value=946_684_800_000, max_value=4_102_444_800_000)
"""2000 to 2100."""
days = st.integers(min_value=0, max_value=3_000)
rules: st.SearchStrategy[Rule] = st.recursive(
    st.one_of(st.builds(AfterSitting, days=days), st.builds(AfterResults, days=days)),
    lambda inner: st.one_of(
        st.builds(LaterOf, rules=st.lists(inner, min_size=1, max_size=4).map(tuple)), st.builds(UnlessRefer, then=inner)
    ),
    max_leaves=6,
)


def at(text: str, zone: dt.tzinfo = VIENNA) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def test_days_end_with_the_day_whatever_the_clocks_do() -> None:
    """Clocks go forward on 2026-03-29 and back on 2026-10-25: the last day still ends at midnight of the centre."""
    rule = AfterSitting(days=1)
    for ended, last in (("2026-03-28T12:00", "2026-03-30T00:00"), ("2026-10-24T23:59", "2026-10-26T00:00")):
        assert due(rule, Facts(at(ended), None, False), VIENNA).utc_ms == at(last)


def test_until_the_results_are_known_nothing_falls_due() -> None:
    """And the words say so; from then on the later of the two holds."""
    rule = LaterOf(rules=(AfterSitting(days=30), AfterResults(days=10)))
    ended = at("2026-05-04T12:00")
    found = due(rule, Facts(ended, None, False), VIENNA)
    assert (found.utc_ms, found.why) == (None, "10 days after the results, whose date is not known yet")
    early, late = (retention.read_day(day, VIENNA) for day in ("2026-05-10", "2026-07-01"))
    assert due(rule, Facts(ended, early, False), VIENNA).utc_ms == at("2026-06-04T00:00")
    found = due(rule, Facts(ended, late, False), VIENNA)
    assert (found.utc_ms, found.why) == (at("2026-07-12T00:00"), "10 days after the results, dated 2026-07-01")
    assert retention.last_day(at("2026-07-12T00:00"), VIENNA) == "2026-07-11"


def test_without_a_rule_it_is_for_ever() -> None:
    """And that is said."""
    assert due(None, Facts(0, 0, False), VIENNA) == (None, "no rule: kept for ever")
    assert "for ever" in retention.words(None)


@given(rules, moments, st.none() | moments, st.booleans(), st.sampled_from(ZONES))
def test_what_is_due_is_due_at_a_midnight_and_never_before_the_sittings_day_is_over(
    rule: Rule, ended: int, results: int | None, is_referred: bool, zone: ZoneInfo
) -> None:
    """For any rule, moment and zone; a zone whose clocks skip midnight begins its day when it begins."""
    found = due(rule, Facts(ended, results, is_referred), zone)
    assert found.why
    if found.utc_ms is None:
        assert results is None or is_referred
        return
    assert found.utc_ms > ended
    before, after = (dt.datetime.fromtimestamp((found.utc_ms + shift) / 1000, zone) for shift in (-1, 0))
    assert before.date() < after.date()


@given(days, moments, st.sampled_from(ZONES))
def test_so_many_days_are_at_least_so_many_days(count: int, ended: int, zone: ZoneInfo) -> None:
    """No clock change, and no day that a zone left out, makes them fewer than the days lived through there."""
    found = due(AfterSitting(days=count), Facts(ended, None, False), zone).utc_ms
    assert found is not None
    assert found >= ended + count * 24 * HOUR_MS - 25 * HOUR_MS
    assert found <= ended + (count + 1) * 24 * HOUR_MS + 25 * HOUR_MS


@given(rules, moments, st.none() | moments, st.sampled_from(ZONES))
def test_a_referred_seat_is_kept_no_shorter(rule: Rule, ended: int, results: int | None, zone: ZoneInfo) -> None:
    """Whatever the rule: a verdict never makes anything fall due, and under `unless_refer` it keeps all."""
    plain, referred = (due(rule, Facts(ended, results, is_referred), zone).utc_ms for is_referred in (False, True))
    assert referred is None or referred == plain
    assert due(UnlessRefer(then=rule), Facts(ended, results, True), zone).utc_ms is None


@given(st.lists(rules, min_size=1, max_size=4), moments, st.none() | moments, st.booleans())
def test_the_later_of_is_no_earlier_than_any(
    several: list[Rule], ended: int, results: int | None, is_referred: bool
) -> None:
    """And never where one of them never is."""
    facts = Facts(ended, results, is_referred)
    each = [due(rule, facts, VIENNA).utc_ms for rule in several]
    known = [utc_ms for utc_ms in each if utc_ms is not None]
    found = due(LaterOf(rules=tuple(several)), facts, VIENNA).utc_ms
    assert found == (max(known) if len(known) == len(each) else None)


@given(rules)
def test_a_rule_is_read_as_it_was_written(rule: Rule) -> None:
    assert retention.read(retention.written(rule)) == rule
    assert retention.words(rule)


@given(rules, moments, moments)
def test_what_a_form_shows_of_a_rule_keeps_no_less(rule: Rule, ended: int, results: int) -> None:
    """Saving a form unchanged must not make anything fall due earlier."""
    sitting, after, is_refer_kept = retention.fields(rule)
    again = retention.composed(sitting, after, is_refer_kept=is_refer_kept)
    for is_referred in (False, True):
        facts = Facts(ended, results, is_referred)
        before, now = due(rule, facts, VIENNA).utc_ms, due(again, facts, VIENNA).utc_ms
        assert now is None or (before is not None and now >= before)


@pytest.mark.parametrize("text", ["-1", "1.5", "a week", "9999999", "36501", "٣"])
def test_what_is_no_number_of_days_is_refused(text: str) -> None:
    with pytest.raises(BadRule, match="not a number of days"):
        retention.composed(text, "", is_refer_kept=False)


@pytest.mark.parametrize("text", ["", "4.5.2026", "2026-13-01", "0026-01-01", "2026-05-04T10:00"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(BadRule, match=r"2026-05-04|slip of the pen"):
        retention.read_day(text, VIENNA)


@given(st.dates(dt.date(2000, 1, 1), dt.date(2200, 12, 31)), st.sampled_from(ZONES))
def test_a_day_is_shown_as_it_was_entered(day: dt.date, zone: ZoneInfo) -> None:
    if not (zone.key == "Pacific/Apia" and day == dt.date(2011, 12, 30)):  # that day was left out there
        assert retention.day_of(retention.read_day(day.isoformat(), zone), zone) == day.isoformat()


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"rule":"soon"}', '{"rule":"after_sitting","days":-1}', '{"rule":"later_of","rules":[]}']
)
def test_a_rule_that_cannot_be_read_is_no_rule_to_delete_by(text: str) -> None:
    with pytest.raises(BadRule, match="set it anew"):
        retention.read(text)
