"""FETCH data items."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.imap.wire.cursor import Cursor, SyntaxFault
from agentpost.imap.wire.fetchitems import (
    BinarySection,
    BinarySize,
    BodySection,
    FetchItem,
    FetchItems,
    Partial,
    Plain,
    Preview,
    Section,
    SectionText,
    parse_fetch_items,
)
from agentpost.imap.wire.framer import Frame


def items(text: bytes) -> FetchItems:
    cursor = Cursor(Frame(text))
    found = parse_fetch_items(cursor)
    cursor.end()
    return found


def item(text: bytes) -> FetchItem:
    (only,) = items(text).items
    return only


def test_macros() -> None:
    assert items(b"fast").items == (Plain.FLAGS, Plain.INTERNALDATE, Plain.SIZE)
    assert items(b"ALL").items[3:] == (Plain.ENVELOPE,)
    assert items(b"FULL").items[3:] == (Plain.ENVELOPE, Plain.BODY)


def test_plain_items_each_once_in_order() -> None:
    found = items(b"(UID flags UID RFC822.SIZE BODYSTRUCTURE BODY MODSEQ)")
    assert found.items == (
        Plain.UID, Plain.FLAGS, Plain.SIZE, Plain.BODYSTRUCTURE, Plain.BODY, Plain.MODSEQ,
    )  # fmt: skip
    assert found.plain_only
    assert not found.marks_seen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"BODY[]", BodySection(Section(), None, False, b"BODY[]")),
        (b"body.peek[]<0.2048>", BodySection(Section(), Partial(0, 2048), True, b"BODY[]<0>")),
        (b"BODY[1.2]", BodySection(Section((1, 2)), None, False, b"BODY[1.2]")),
        (
            b"BODY[4.2.header]",
            BodySection(Section((4, 2), SectionText.HEADER), None, False, b"BODY[4.2.HEADER]"),
        ),
        (
            b"BODY[1.MIME]",
            BodySection(Section((1,), SectionText.MIME), None, False, b"BODY[1.MIME]"),
        ),
        (b"BODY[TEXT]", BodySection(Section((), SectionText.TEXT), None, False, b"BODY[TEXT]")),
        (
            b'BODY.PEEK[HEADER.FIELDS (From "X Y")]',
            BodySection(
                Section((), SectionText.FIELDS, (b"From", b"X Y")),
                None,
                True,
                b'BODY[HEADER.FIELDS (From "X Y")]',
            ),
        ),
        (
            b"BODY[3.HEADER.FIELDS.NOT (To)]<5.1>",
            BodySection(
                Section((3,), SectionText.FIELDS_NOT, (b"To",)),
                Partial(5, 1),
                False,
                b"BODY[3.HEADER.FIELDS.NOT (To)]<5>",
            ),
        ),
        (b"RFC822", BodySection(Section(), None, False, b"RFC822")),
        (
            b"RFC822.HEADER",
            BodySection(Section((), SectionText.HEADER), None, True, b"RFC822.HEADER"),
        ),
        (b"RFC822.TEXT", BodySection(Section((), SectionText.TEXT), None, False, b"RFC822.TEXT")),
        (b"BINARY[1]<1.2>", BinarySection(Section((1,)), Partial(1, 2), False, b"BINARY[1]<1>")),
        (b"BINARY.PEEK[]", BinarySection(Section(), None, True, b"BINARY[]")),
        (b"BINARY.SIZE[2.1]", BinarySize(Section((2, 1)), b"BINARY.SIZE[2.1]")),
        (
            b"binary.peek[1.mime]<15>",
            BinarySection(
                Section((1,), SectionText.MIME), Partial(15, None), True, b"BINARY[1.MIME]<15>"
            ),
        ),
        (
            b"BINARY.SIZE[TEXT]",
            BinarySize(Section((), SectionText.TEXT), b"BINARY.SIZE[TEXT]"),
        ),
        (b"PREVIEW", Preview(False)),
        (b"PREVIEW (LAZY)", Preview(True)),
        (b"EMAILID", Plain.EMAILID),
    ],
)
def test_items_with_arguments(text: bytes, expected: FetchItem) -> None:
    assert item(text) == expected


def test_a_huge_partial_is_only_two_numbers() -> None:
    found = item(b"BODY[]<4294967295.4294967295>")
    assert isinstance(found, BodySection)
    assert found.partial == Partial(4294967295, 4294967295)


def test_what_marks_seen() -> None:
    assert items(b"(FLAGS BODY[])").marks_seen
    assert items(b"BINARY[1]").marks_seen
    assert items(b"RFC822.TEXT").marks_seen
    assert not items(b"(BODY.PEEK[] RFC822.HEADER BINARY.SIZE[1])").marks_seen


@pytest.mark.parametrize(
    "text",
    [b"", b"()", b"FOO", b"(ALL)", b"ALL FLAGS", b"BODY[", b"BODY[1.]", b"BODY[.1]", b"BODY[0]",
     b"BODY[01]", b"BODY[MIME]", b"BODY[1.FOO]", b"BODY[HEADER.FIELDS]", b"BODY[HEADER.FIELDS ()]",
     b"BODY[HEADER.FIELDS (a]", b"BODY[]<1>", b"BODY[]<1.0>", b"BODY[]<.1>", b"BODY[]<1.2", b"BODY.PEEK",
     b"BINARY", b"BINARY[MIME]", b"BINARY[1.]", b"BINARY[1]<.1>", b"BINARY.SIZE[1]<0.1>", b"(FLAGS", b"(FLAGS  UID)", b"PREVIEW (X)",
     b"BODY[1.2.HEADER.1]", b"BODY[" + b"1." * 150 + b"1]",
     b"BODY[HEADER.FIELDS (" + b"X " * 5_000 + b")]", b"(" + b"BODY[1] " * 300 + b"UID)"],
)  # fmt: skip
def test_what_is_no_item(text: bytes) -> None:
    with pytest.raises(SyntaxFault):
        items(text)


@given(st.text("BODY.PEK[]0123<>() HEADRFIELSNOTMUG", max_size=40))
def test_no_item_makes_the_parser_fail_otherwise(text: str) -> None:
    try:
        found = items(text.encode())
    except SyntaxFault:
        return
    assert found.items
