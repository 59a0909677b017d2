"""Chains of handlers (RFC 8617), with the public suite as oracle when it is at hand."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from agentpost.auth import arc, dkim
from agentpost.auth.canonical import read
from agentpost.auth.dkim import Answer
from agentpost.limits import AuthenticationLimits
from agentpost.model.authentication import Arc
from agentpost.model.dns import LookupFailed, NoSuchName
from tests.corpus.samples import COLLECTED

LIMITS = AuthenticationLimits()
SUITE = COLLECTED / "arc" / "_suite" / "arc-draft-validation-tests.yml"
_CHAIN_SAYS_FAIL = {"cv_fail_i1_as_cv_fail", "cv_fail_i2_as2_fail", "cv_fail_i2_as1_fail"}
"""The suite expects nothing of these; RFC 8617 section 5.2, step 2, says fail."""


def verdict(octets: bytes, keys: dict[str, Answer], now: float = 12_345) -> Arc:
    message = read(octets, LIMITS)
    try:
        sets = arc.collect(message, LIMITS)
    except arc.Broken as broken:
        return Arc("fail", reason=str(broken))
    answers = {name: keys.get(name, NoSuchName(name)) for name in arc.key_names(sets)}
    hashes = dkim.body_hashes(message, arc.body_parts(sets))
    return arc.judge(sets, message, hashes, answers, now, LIMITS)


def scenarios() -> list[Any]:
    if not SUITE.is_file():
        return []
    found = []
    for document in yaml.safe_load_all(SUITE.read_text("utf-8")):
        records = document.get("txt-records") or {}
        keys = {name.lower(): (text.encode(),) for name, text in records.items()}
        for name, test in document["tests"].items():
            found.append(pytest.param(keys, test, id=f"{document['description']}-{name}"))
    return found


@pytest.mark.parametrize(("keys", "test"), scenarios())
def test_the_public_suite(
    keys: dict[str, Answer], test: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    expected = str(test["cv"] or "").lower()
    if not expected:
        name = request.node.callspec.id.rpartition("-")[2]
        expected = "fail" if name in _CHAIN_SAYS_FAIL else "none"
    found = verdict((test["message"] or "").encode(), keys)
    assert found.result == (expected if expected != "none" else "none"), found.reason
    assert bool(found.reason) == (found.result == "fail")


@pytest.mark.skipif(not SUITE.is_file(), reason="the corpus is not here")
def test_the_public_suite_is_all_there() -> None:
    assert len(scenarios()) == 171


def chained() -> tuple[bytes, dict[str, Answer]]:
    """A message of the suite with two good sets."""
    for case in scenarios():
        if case.id.endswith("cv_pass_i2_1"):
            keys, test = case.values
            return test["message"].encode(), keys
    pytest.skip("the corpus is not here")


def test_a_chain_names_its_last_sealer() -> None:
    octets, keys = chained()
    assert verdict(octets, keys) == Arc("pass", 2, "example.org")


def test_every_failure_is_final_also_one_of_the_dns() -> None:
    """RFC 8617 section 5.2.1."""
    octets, keys = chained()
    for answer in (LookupFailed("x", "silence"), NoSuchName("x"), (b"v=DKIM1; p=",)):
        assert verdict(octets, dict.fromkeys(keys, answer)).result == "fail"


def test_a_set_that_is_missing_doubled_or_out_of_range_breaks_the_chain() -> None:
    octets, keys = chained()
    for change in (
        (b"i=2;", b"i=3;"),
        (b"i=2;", b"i=51;"),
        (b"i=2;", b"i=0;"),
        (b"i=2;", b"i=x;"),
        (b"cv=pass", b"cv=none"),
        (b"cv=pass", b"cv=fail"),
    ):
        assert change[0] in octets
        assert verdict(octets.replace(*change), keys).result == "fail"
    head, _, rest = octets.partition(b"ARC-Seal:")
    seal = b"ARC-Seal:" + rest.partition(b"ARC-Message-Signature:")[0]
    assert verdict(head + seal + octets[len(head) :], keys).result == "fail"


def test_more_sets_than_anybody_adds_are_not_looked_at() -> None:
    fields = b"".join(b"ARC-Seal: i=%d; a=b\r\n" % i for i in range(1, 200))
    found = verdict(fields + b"From: a@b.example\r\n\r\n", {})
    assert (found.result, found.reason) == ("fail", "there are too many sets")
