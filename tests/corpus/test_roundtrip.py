"""Every message comes out as the octets that went in, and none is lost, by every way there is.

Ways in: local delivery in the store, IMAP APPEND, SMTP.  Ways out: FETCH BODY[] and what REST
answers as raw.  What is refused is refused with a reason that the message gives.
"""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from agentpost.errors import Problem
from agentpost.mail.delivery import Delivery
from agentpost.mail.policy import make_policy
from tests.corpus.samples import Sample, submittable
from tests.corpus.strict import Client, Refused, Value, check_body, check_envelope
from tests.durability.house import furnish
from tests.durability.load import Account
from tests.imap.harness import open_place
from tests.server import Server

pytestmark = pytest.mark.slow

_CLIENTS = 4
_BATCH = 100
_MAX_FIELDS = 1000
_MAX_RECEIVED = 50
_FIELD = re.compile(rb"[\x21-\x39\x3b-\x7e]+[ \t]*:")


async def test_local_delivery_keeps_every_octet(
    database_url: str, tmp_path: Path, mail: list[Sample]
) -> None:
    stored: dict[str, str] = {}
    refused: dict[str, str] = {}
    async with open_place(database_url, tmp_path) as place:
        assert place.actor.address is not None
        address = place.actor.address
        policy = make_policy(place.store, frozenset())
        delivery = Delivery(place.store.messages, place.store.directory, policy)

        async def deliver(each: list[Sample]) -> None:
            for sample in each:
                try:
                    placed = await delivery.deliver(address, sample.octets, "test")
                except Problem as problem:
                    refused[sample.name] = str(problem)
                    continue
                assert placed is not None
                stored[sample.name] = placed.message

        async with trio.open_nursery() as nursery:
            for number in range(_CLIENTS * 4):
                nursery.start_soon(deliver, mail[number :: _CLIENTS * 4])
        assert refused == {}
        for sample in mail:
            content = await place.store.messages.content(place.actor, stored[sample.name])
            assert content.octets == sample.octets, sample.name


@contextmanager
def _imap(server: Server, account: Account) -> Iterator[Client]:
    client = Client.connect(server.port("imaps"), server.tls)
    try:
        client.login(account.address, account.password)
        yield client
    finally:
        client.close()


def _at_once(work: Callable[[list[Sample]], None], mail: list[Sample]) -> None:
    with ThreadPoolExecutor(_CLIENTS) as pool:
        for done in [pool.submit(work, mail[number::_CLIENTS]) for number in range(_CLIENTS)]:
            done.result()


def _fetched(client: Client, uids: Sequence[int], items: bytes) -> Iterator[dict[bytes, Value]]:
    for start in range(0, len(uids), _BATCH):
        some = ",".join(map(str, uids[start : start + _BATCH])).encode()
        yield from client.command(b"UID FETCH " + some + b" (UID " + items + b")").items()


def test_append_and_fetch_keep_every_octet_and_structures_are_grammatical(
    server: Server, mail: list[Sample]
) -> None:
    account = furnish(server, "appended")[0]
    by_uid: dict[int, Sample] = {}
    refused: dict[str, str] = {}

    def append(some: list[Sample]) -> None:
        with _imap(server, account) as client:
            for sample in some:
                try:
                    answer = client.command(b"APPEND INBOX", sample.octets)
                except Refused as refusal:
                    refused[sample.name] = str(refusal)
                    continue
                found = re.match(rb"\[APPENDUID \d+ (\d+)\]", answer.text)
                assert found is not None, answer.text
                by_uid[int(found[1])] = sample

    _at_once(append, mail)
    nul = {sample.name for sample in mail if b"\0" in sample.octets}
    assert refused.keys() == nul, refused
    assert len(by_uid) == len(mail) - len(nul)
    with _imap(server, account) as client:
        client.command(b"EXAMINE INBOX")
        uids = sorted(by_uid)
        for items in _fetched(client, uids, b"RFC822.SIZE BODY.PEEK[]"):
            sample = by_uid.pop(_number(items[b"UID"]))
            assert items[b"BODY[]"] == sample.octets, sample.name
            assert items[b"RFC822.SIZE"] == len(sample.octets), sample.name
        assert by_uid == {}
        told = 0
        for items in _fetched(client, uids, b"ENVELOPE BODY BODYSTRUCTURE"):
            check_envelope(items[b"ENVELOPE"])
            check_body(items[b"BODY"], extended=False)
            check_body(items[b"BODYSTRUCTURE"], extended=True)
            told += 1
        assert told == len(uids)


def test_smtp_keeps_every_octet_of_what_it_takes(server: Server, mail: list[Sample]) -> None:
    sender, recipient = furnish(server, "submitting", "receiving")
    wire = {sample.name: submittable(sample, sender.address) for sample in mail}
    taken: dict[str, bytes] = {}
    refused: dict[str, str] = {}

    def submit(some: list[Sample]) -> None:
        with smtplib.SMTP_SSL("127.0.0.1", server.port("smtps"), context=server.tls) as client:
            client.login(sender.address, sender.password)
            for sample in some:
                octets = _marked(wire[sample.name], sample)
                client.mail(sender.address, ["SMTPUTF8", "BODY=8BITMIME"])
                client.rcpt(recipient.address)
                code, text = client.data(octets)
                if code == 250:
                    taken[sample.name] = octets
                else:
                    refused[sample.name] = f"{code} {text.decode()}"

    _at_once(submit, mail)
    assert len(taken) + len(refused) == len(mail)
    reasons = {name: _why(octets) for name, octets in wire.items()}
    expected = {name: reason for name, reason in reasons.items() if reason is not None}
    assert refused.keys() == expected.keys(), (refused, expected)
    assert len(refused) < len(mail) / 20
    for account, mailbox in ((recipient, b"INBOX"), (sender, b"Sent")):
        left = set(taken.values())
        with _imap(server, account) as client:
            count = sum(
                (re.match(rb"(\d+) EXISTS", line) is not None and int(line.split()[0])) or 0
                for line in client.command(b"EXAMINE " + mailbox).untagged
            )
            assert count == len(taken)
            for items in _fetched(client, range(1, count + 1), b"BODY.PEEK[]"):
                octets = items[b"BODY[]"]
                assert isinstance(octets, bytes)
                left.remove(octets)
        assert left == set()


def _marked(octets: bytes, sample: Sample) -> bytes:
    """Told from every other message, so that none counts for its twin."""
    if not octets.endswith(b"\r\n"):
        octets += b"\r\n"  # DATA cannot carry a last line without its end.
    return b"X-Sample: " + sample.name.encode() + b"\r\n" + octets


def _why(octets: bytes) -> str | None:
    """Why a submission must be refused, by a reading of its header that is not the server's."""
    header = octets.partition(b"\r\n\r\n")[0]
    lines = header.split(b"\r\n")
    if not all(line[:1] in (b" ", b"\t") or _FIELD.match(line) for line in lines if line):
        return "a line of the header is no field"
    fields = [line for line in lines if line[:1] not in (b" ", b"\t")]
    if len(fields) > _MAX_FIELDS:
        return "too many fields"
    if sum(line.lower().startswith(b"received:") for line in fields) > _MAX_RECEIVED:
        return "a loop"
    if len(header) > 256 * 1024:
        return "too large a header"
    return None


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value
