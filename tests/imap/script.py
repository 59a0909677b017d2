"""Runs the transcripts of ``conformance/imap`` against the server (their syntax is in the README)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tests.imap.harness import Place
from tests.imap.serving import PATIENCE_S, Serving, Talker

Node = str | bytes | list["Node"]
"""What a response is made of: atoms as text, strings as octets, lists."""

_VARIABLE = re.compile(r"\$([a-z][a-z0-9_]*)")
_OCTETS = re.compile(r"\$\(((?:[0-9a-f]{2} ?)+)\)")
_COMMAND = re.compile(r'(?:([1-9]) )?(ok|no|bad|bye|""|\+) (.*)\Z')
_TAGGED = re.compile(r"(?:[1-9] )?(ok|no|bad)((?: .*)?)\Z")
_HEARD = re.compile(r"([1-9]) \* (.*)\Z")
_SENT = re.compile(r"([1-9]) > (.*)\Z")
_DEED = re.compile(r"(?:([1-9]) )?(connect|closed|hang up)\Z")
_STATUS = frozenset({"ok", "no", "bad", "bye", "preauth"})


class Mismatch(AssertionError):
    """The server said something else than the transcript."""


@dataclass
class Step:
    """One thing that a client does, and what must and must not come of it."""

    number: int
    client: int
    deed: str
    pieces: list[bytes | tuple[bytes, bool]] = field(default_factory=list)
    result: str = ""
    answer: str = ""
    expected: list[tuple[bool, str]] = field(default_factory=list)
    """Whether it must come behind the one before, and the pattern."""
    banned: list[str] = field(default_factory=list)


@dataclass
class Script:
    """A transcript: what it starts from, and its steps."""

    name: str
    header: dict[str, str]
    steps: list[Step]


def read(path: Path) -> Script:
    """The transcript in a file.  Raises: Mismatch when it cannot be read."""
    lines = path.read_text("utf-8").split("\n")
    header: dict[str, str] = {}
    at = 0
    while at < len(lines) and lines[at]:
        if not lines[at].startswith("#"):
            name, colon, value = lines[at].partition(": ")
            if not colon:
                raise Mismatch(f"{path.name}:{at + 1}: no header line, and no empty line before")
            header[name] = value
        at += 1
    steps: list[Step] = []
    while at < len(lines):
        at = _step(path.name, lines, at, steps)
    return Script(path.stem, header, steps)


def _step(name: str, lines: list[str], at: int, steps: list[Step]) -> int:
    """Read the line at ``at`` and what belongs to it; returns where the next one begins."""
    line, number = lines[at], at + 1
    if not line or line.startswith("#"):
        return at + 1
    if line.startswith(("* ", "** ", "! *")):
        _expectation(steps[-1], line)
    elif steps and steps[-1].result == '""' and not steps[-1].answer and _TAGGED.match(line):
        steps[-1].answer = line.removeprefix(f"{steps[-1].client} ")
    elif match := _DEED.match(line):
        steps.append(Step(number, int(match[1] or 1), match[2]))
    elif match := _HEARD.match(line):
        steps.append(Step(number, int(match[1]), "hear", expected=[(False, match[2])]))
    elif match := _SENT.match(line):
        steps.append(Step(number, int(match[1]), "send", [_octets(match[2])]))
    elif match := _COMMAND.match(line):
        step = Step(number, int(match[1] or 1), "command", result=match[2])
        text = match[3]
        if text.startswith("> "):
            step.deed, text = "reply", text[2:]
        while (literal := re.search(r"\{\{\{(\+?)\Z", text)) is not None:
            body: list[str] = []
            at += 1
            while not lines[at].startswith("}}}"):
                body.append(lines[at] + "\r\n")
                at += 1
            step.pieces.append(text[: literal.start()].encode())
            step.pieces.append((_octets("".join(body)), not literal[1]))
            text = lines[at][3:]
        step.pieces.append(_octets(text) if not _VARIABLE.search(text) else text.encode())
        steps.append(step)
    else:
        raise Mismatch(f"{name}:{number}: this line means nothing: {line!r}")
    return at + 1


def _expectation(step: Step, line: str) -> None:
    if line.startswith("! *"):
        step.banned.append(line[3:].strip())
    elif line.startswith("** "):
        step.expected.append((True, line[3:]))
    else:
        step.expected.append((False, line[2:]))


def _octets(text: str) -> bytes:
    parts = _OCTETS.split(text)
    return b"".join(
        bytes.fromhex(part) if odd % 2 else part.encode() for odd, part in enumerate(parts)
    )


class Run:
    """One transcript at work."""

    def __init__(self, script: Script, serving: Serving, place: Place, known: dict[str, str]):
        self._script = script
        self._serving = serving
        self._place = place
        self._known = known
        self._clients: dict[int, Talker] = {}
        self._open: dict[int, bytes] = {}
        self._tags = 0

    async def play(self) -> None:
        """Do every step.  Raises: Mismatch."""
        await self._prepare()
        for step in self._script.steps:
            with trio.move_on_after(PATIENCE_S) as patience:
                await self._do(step)
            if patience.cancelled_caught:
                raise self._error(step, "the server says nothing")

    async def _prepare(self) -> None:
        header = self._script.header
        messages = [
            b"From: a@shared.test\r\nSubject: message %d\r\n\r\nbody %d\r\n" % (n, n)
            for n in range(1, int(header.get("messages", "0")) + 1)
        ]
        for number, uid in enumerate(await self._place.put(*messages), 1):
            self._known[f"uid{number}"] = str(uid)
        state = header.get("state", "selected")
        for client in range(1, int(header.get("connections", "1")) + 1):
            talker = await self._serving.welcomed()
            self._clients[client] = talker
            if state != "nonauth":
                await talker.ok(f"LOGIN {self._known['address']} {self._known['password']}")
            if header.get("enable"):
                await talker.ok(f"ENABLE {header['enable']}")
            if state == "selected":
                await talker.ok("SELECT INBOX")

    def _error(self, step: Step, text: str) -> Mismatch:
        return Mismatch(f"{self._script.name}.imap:{step.number}: {text}")

    async def _do(self, step: Step) -> None:
        match step.deed:
            case "connect":
                self._clients[step.client] = await self._serving.welcomed()
            case "closed":
                if await self._clients[step.client].response():
                    raise self._error(step, "the connection is open")
            case "hang up":
                await self._clients[step.client].close()
            case "hear":
                await self._hear(step)
            case "send":
                await self._clients[step.client].send(_plain(step.pieces[0]) + b"\r\n")
            case _:
                await self._command(step)

    async def _hear(self, step: Step) -> None:
        while True:
            said = await self._clients[step.client].response()
            if not said:
                raise self._error(step, "the connection is closed")
            if self._matches(step.expected[0][1], said[2:]):
                return

    async def _command(self, step: Step) -> None:
        talker = self._clients[step.client]
        if step.deed == "reply":
            tag, line = self._open.pop(step.client), b""
        else:
            self._tags += 1
            tag = b"s%d" % self._tags
            line = tag + b" "
        said: list[bytes] = []
        for piece in step.pieces:
            if isinstance(piece, tuple):
                octets, waits = piece
                await talker.send(line + b"{%d%b}\r\n" % (len(octets), b"" if waits else b"+"))
                if waits:
                    said += await talker.until(b"+")
                    if not said or not said[-1].startswith(b"+"):
                        raise self._error(step, f"no continuation: {said[-1:]}")
                    said.pop()
                line = octets
            else:
                line += self._filled(piece)
        await talker.send(line + b"\r\n")
        end = b"+" if step.result == "+" else tag
        while not said or not said[-1].startswith(end + b" "):
            said.append(await talker.response())
            if not said[-1]:
                said.pop()
                break
            if said[-1].startswith(tag + b" ") and end == b"+":
                raise self._error(step, f"no continuation: {said[-1]!r}")
        self._judge(step, said, end)
        if step.result == "+":
            self._open[step.client] = tag

    def _judge(self, step: Step, said: list[bytes], end: bytes) -> None:
        finished = bool(said) and said[-1].startswith(end + b" ")
        last = said.pop()[len(end) + 1 :] if finished else b""
        for line in said:
            if b"SERVERBUG" in line:
                raise self._error(step, repr(line))
        if step.result == "bye":
            if not any(line.upper().startswith(b"* BYE ") for line in said):
                raise self._error(step, f"expected BYE, got {[*said, last]}")
        elif step.result == '""':
            if not self._matches(step.answer, last):
                raise self._error(step, f"expected {step.answer!r}, got {last!r}")
        elif step.result != "+" and not last.upper().startswith(step.result.upper().encode()):
            raise self._error(step, f"expected {step.result.upper()}, got {last!r}")
        untagged = [line.removeprefix(b"* ") for line in said]
        self._compare(step, untagged)

    def _compare(self, step: Step, said: list[bytes]) -> None:
        left = list(said)
        last = -1
        places = list(range(len(said)))
        for ordered, pattern in step.expected:
            for at, line in enumerate(left):
                if (not ordered or places[at] > last) and self._matches(pattern, line):
                    last = places[at]
                    del left[at], places[at]
                    break
            else:
                raise self._error(step, f"no {pattern!r} among {said}")
        for pattern in step.banned:
            for line in left:
                if not pattern or self._matches(pattern, line):
                    raise self._error(step, f"unexpected {line!r}")

    def _filled(self, piece: bytes) -> bytes:
        def value(match: re.Match[str]) -> str:
            if match[1] not in self._known:
                raise Mismatch(f"{self._script.name}.imap: nothing is known of {match[0]}")
            return self._known[match[1]]

        try:
            text = piece.decode()
        except UnicodeDecodeError:
            return piece
        return _VARIABLE.sub(value, text).encode()

    def _matches(self, pattern: str, line: bytes) -> bool:
        known = dict(self._known)
        text = _VARIABLE.sub(lambda match: known.get(match[1], match[0]), pattern)
        wanted, found = parse(text.encode()), parse(line.rstrip(b"\r\n"))
        if wanted and isinstance(wanted[0], str) and wanted[0].lower() in _STATUS:
            # Behind the code comes text for people.
            found = found[: len(wanted)]
        if not _all_match(wanted, found, known):
            return False
        self._known.update(known)
        return True


def _plain(piece: bytes | tuple[bytes, bool]) -> bytes:
    assert isinstance(piece, bytes)
    return piece


# Responses and patterns as trees

_TOKEN = re.compile(
    rb'(?P<space> +)|(?P<open>[(\[])|(?P<close>[)\]])|"(?P<quoted>(?:[^"\\]|\\.)*)"'
    rb"|~?\{(?P<size>[0-9]+)\}\r\n|(?P<atom>(?:[^ ()\[\]\"]|(?<=[^ (])\[[^\]]*\])+)",
    re.DOTALL,
)


def parse(octets: bytes) -> list[Node]:
    """A response, or a pattern for one, as a tree; what is no token is an atom of one octet."""
    stack: list[list[Node]] = [[]]
    at = 0
    while at < len(octets):
        match = _TOKEN.match(octets, at)
        if match is None:
            at += 1
            continue
        at = match.end()
        if match["open"] is not None:
            stack.append([match["open"].decode()])
        elif match["close"] is not None:
            if len(stack) > 1:
                done = stack.pop()
                stack[-1].append(done)
        elif match["quoted"] is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", match["quoted"]))
        elif match["size"] is not None:
            size = int(match["size"])
            stack[-1].append(octets[at : at + size])
            at += size
        elif match["atom"] is not None:
            stack[-1].append(match["atom"].decode("utf-8", "replace"))
    while len(stack) > 1:
        done = stack.pop()
        stack[-1].append(done)
    return stack[0]


def _all_match(wanted: list[Node], found: list[Node], known: dict[str, str]) -> bool:
    """Whether two sequences match, element by element or, where order means nothing, by some
    other order: flags and attributes, and the pairs of a FETCH."""
    if wanted and wanted[-1] == "$*":
        some = wanted[:-1]
        return _in_order(some, found[: len(some)], known) or _in_any_order(
            [[each] for each in some], [[each] for each in found], known
        )
    if len(wanted) != len(found):
        return False
    return (
        _in_order(wanted, found, known)
        or _in_any_order([[each] for each in wanted], [[each] for each in found], known)
        or _in_any_order(_pairs(wanted), _pairs(found), known)
    )


def _pairs(nodes: list[Node]) -> list[list[Node]]:
    return [nodes[:1], *[nodes[at : at + 2] for at in range(1, len(nodes), 2)]]


def _in_order(wanted: list[Node], found: list[Node], known: dict[str, str]) -> bool:
    trial = dict(known)
    if len(wanted) == len(found) and all(
        _match(one, other, trial) for one, other in zip(wanted, found, strict=True)
    ):
        known.update(trial)
        return True
    return False


def _in_any_order(wanted: list[list[Node]], found: list[list[Node]], known: dict[str, str]) -> bool:
    if not wanted or wanted[0] not in (["("], ["["]):
        return False
    if any(isinstance(each[0], list) for each in wanted):
        return False
    trial, left = dict(known), list(found)
    for one in wanted:
        for other in left:
            if _in_order(one, other, trial):
                left.remove(other)
                break
        else:
            return False
    known.update(trial)
    return True


def _match(wanted: Node, found: Node, known: dict[str, str]) -> bool:
    if wanted == "$":
        return True
    if isinstance(wanted, str) and wanted.startswith("$") and len(wanted) > 1:
        if isinstance(found, list):
            return False
        value = found if isinstance(found, str) else found.decode("utf-8", "replace")
        return known.setdefault(wanted[1:], value) == value
    if isinstance(wanted, list) or isinstance(found, list):
        return (
            isinstance(wanted, list)
            and isinstance(found, list)
            and _all_match(wanted, found, known)
        )
    if isinstance(wanted, bytes):
        return wanted == (found.encode() if isinstance(found, str) else found)
    text = found if isinstance(found, str) else found.decode("utf-8", "replace")
    return wanted.lower() == text.lower()
