"""Submission and IMAP of the whole server, beside Dovecot in the same run.

    python -m benchmarks mail [messages in the large mailbox]

Every commit is durable and every connection of ours is under TLS.  Dovecot takes mail by LMTP
without TLS, which is its fastest way in.  The physical limit of a run is told first: how many
times a second this disk syncs a small write.  Beside each row stands the CPU that the server, and
PostgreSQL apart, spent on one operation.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks._load import Client, Figure, Work, median_ms, rate
from benchmarks._servers import Contestant, dovecot, ours
from benchmarks._wire import Imap, Submitter, mail

_SUBMISSIONS = ((1, 200, 4096), (8, 100, 4096), (32, 50, 4096), (8, 25, 102_400))


def main() -> None:
    """Measure and print one row a measurement."""
    large = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="bench") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        print(f"fsync of 4 KiB: {_syncs(directory):,.0f} a second")
        contestants = [stack.enter_context(ours(directory / "ours", 16))]
        peer = stack.enter_context(dovecot(directory / "dovecot", 16))
        if peer is not None:
            contestants.append(peer)
        table: dict[str, dict[str, float]] = {}
        for contestant in contestants:
            for name, figure in _measured(contestant, large):
                table.setdefault(name, {})[contestant.name] = figure.value
                print(f"{contestant.name:10} {name:54} {figure}", flush=True)
        _print(table, [contestant.name for contestant in contestants])


def _syncs(directory: Path) -> float:
    with (directory / "sync").open("wb", buffering=0) as file:
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 1:
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            count += 1
    return count / (time.perf_counter() - began)


def _measured(contestant: Contestant, large: int) -> Iterator[tuple[str, Figure]]:
    for sessions, count, octets in _SUBMISSIONS:
        name = f"accept and commit, {octets} octets, {sessions} sessions (/s)"
        yield name, _submissions(contestant, sessions, count, octets)
    yield "APPEND 4 KiB, 8 clients (/s)", _appends(contestant, 8, 50)
    yield from _mailbox(contestant, large)
    yield "login with full handshake, 4 at a time (/s)", _logins(contestant)


def _submissions(contestant: Contestant, sessions: int, count: int, octets: int) -> Figure:
    def client(number: int) -> Client:
        half = len(contestant.addresses) // 2
        sender = contestant.addresses[number % half]
        recipient = contestant.addresses[half + number % half]

        def ready() -> Work:
            client = Submitter(contestant.smtp[number % half], lmtp=contestant.lmtp)
            messages = [mail(sender, recipient, f"{number}.{n}", octets) for n in range(count)]

            def run() -> int:
                for message in messages:
                    client.submit(sender, recipient, message)
                client.close()
                return count

            return run

        return ready

    return rate([client(number) for number in range(sessions)], contestant.root)


def _appends(contestant: Contestant, clients: int, count: int) -> Figure:
    def client(number: int) -> Client:
        address = contestant.addresses[number]

        def ready() -> Work:
            client = Imap(contestant.imap[number])
            messages = [mail(address, address, f"a{number}.{n}", 4096) for n in range(count)]

            def run() -> int:
                for message in messages:
                    client.append("Trash" if contestant.http else "INBOX", message)
                client.close()
                return count

            return run

        return ready

    return rate([client(number) for number in range(clients)], contestant.root)


def _mailbox(contestant: Contestant, large: int) -> Iterator[tuple[str, Figure]]:
    client = Imap(contestant.imap[-1])
    client.run(b"CREATE large")
    address = contestant.addresses[-1]
    for number in range(min(large, 1000)):
        client.append("large", mail(address, address, f"l{number}", 4096))
    client.run(b"SELECT large")
    held = min(large, 1000)
    while held < large:
        step = min(held, large - held)
        client.run(f"COPY 1:{step} large".encode())
        held += step
        client.run(b"NOOP")
    client.run(b"SELECT large")
    uids = f"1:{large}"
    work: list[tuple[str, Callable[[], object], int]] = [
        (f"SELECT of {large}, warm (ms)", lambda: client.run(b"SELECT large"), 15),
        ("UID FETCH 1:* (UID FLAGS) (ms)", lambda: client.run(b"UID FETCH 1:* (UID FLAGS)"), 7),
        (
            "FETCH (ENVELOPE BODYSTRUCTURE RFC822.SIZE FLAGS) (ms)",
            lambda: client.run(f"FETCH {uids} (ENVELOPE BODYSTRUCTURE RFC822.SIZE FLAGS)".encode()),
            3,
        ),
        (
            "FETCH (BODY.PEEK[]) of 4 KiB (ms)",
            lambda: client.run(f"FETCH {uids} (BODY.PEEK[])".encode()),
            3,
        ),
        ("SEARCH FROM (ms)", lambda: client.run(b"SEARCH FROM nobody-there"), 5),
        ("SEARCH TEXT, miss (ms)", lambda: client.run(b'SEARCH TEXT "not in any"'), 5),
        ("SEARCH TEXT, hit (ms)", lambda: client.run(b"SEARCH TEXT lazy"), 5),
        ("STORE one flag (ms)", _toggle(client, "1"), 40),
        ("STORE of all (ms)", _toggle(client, uids), 2),
        ("COPY of 1 (ms)", _copier(client, 1), 15),
        ("COPY of 500 (ms)", _copier(client, 500), 3),
        ("MOVE of 1 (ms)", _mover(client, 1), 15),
        ("MOVE of 500 (ms)", _mover(client, 500), 3),
    ]
    for name, each, times in work:
        yield name, median_ms(each, times, contestant.root)


def _toggle(client: Imap, numbers: str) -> Callable[[], object]:
    state = {"on": False}

    def run() -> object:
        state["on"] = not state["on"]
        sign = "+" if state["on"] else "-"
        return client.run(f"STORE {numbers} {sign}FLAGS.SILENT (\\Flagged)".encode())

    return run


def _copier(client: Imap, count: int) -> Callable[[], object]:
    client.run(b"CREATE copied" + str(count).encode())
    return lambda: client.run(f"COPY 1:{count} copied{count}".encode())


def _mover(client: Imap, count: int) -> Callable[[], object]:
    client.run(b"CREATE moved" + str(count).encode())

    def run() -> object:
        return client.run(f"MOVE 1:{count} moved{count}".encode())

    return run


def _logins(contestant: Contestant) -> Figure:
    def client(number: int) -> Client:
        def run() -> int:
            for _ in range(40):
                Imap(contestant.imap[number]).close()
            return 40

        return lambda: run

    return rate([client(number) for number in range(4)], contestant.root)


def _print(table: dict[str, dict[str, float]], names: list[str]) -> None:
    print(f"\n{'':56}" + "".join(f"{name:>14}" for name in names))
    for row, values in table.items():
        cells = "".join(f"{values[n]:14,.2f}" if n in values else f"{'':>14}" for n in names)
        print(f"{row:56}{cells}")
