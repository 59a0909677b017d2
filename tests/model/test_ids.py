"""Identifiers: how they sort and what they look like."""

from __future__ import annotations

from agentpost.ids import is_id, new_id, ulid_time


def test_ids_that_are_made_in_turn_sort_in_turn() -> None:
    """Within one millisecond too: a list shows mail in the order in which it came."""
    made = [new_id("msg") for _ in range(5_000)]
    milliseconds = {one[4:14] for one in made}
    # Two of one microsecond are rare and in no order; neighbours in time must never be apart.
    places = sorted(range(len(made)), key=made.__getitem__)
    assert all(abs(place - number) <= 2 for number, place in enumerate(places))
    assert len(made) > 5 * len(milliseconds)
    assert len(set(made)) == len(made)
    assert all(is_id(one, "msg") for one in made)


def test_the_time_of_an_id_comes_first() -> None:
    assert ulid_time(0) == "0" * 10
    assert ulid_time(2**48 - 1) == "7" + "Z" * 9
    assert ulid_time(1_700_000_000_000) < new_id("msg")[4:14] < ulid_time(4_000_000_000_000)
