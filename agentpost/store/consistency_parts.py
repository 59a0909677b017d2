"""How a table is held to its rules: one SQL statement over a batch of its rows.

Every look at another table goes through a key, one row at a time (``LATERAL … LIMIT 1``), so that
a batch costs the same however large the tables are.  A rule whose condition is unknown, because
what it compares with is missing, is silent: another rule says that it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Part:
    """One table's walk: its key, what is looked up for each row, and the rules.

    ``key`` holds for each column its SQL type as text goes in and out.  ``rules`` are the name,
    the condition that breaks it, and the words (an SQL expression) that say how.
    """

    table: str
    key: tuple[tuple[str, str], ...]
    subject: str
    rules: tuple[tuple[str, str, str], ...]
    joins: str = ""
    before: str = ""
    """Common table expressions that the joins use."""

    def statement(self, *, first: bool) -> str:
        """One batch: $1 is its size, the key of the row before it follows as text."""
        columns = ", ".join(column for column, _ in self.key)
        given = ", ".join(_in(kind, n) for n, (_, kind) in enumerate(self.key, 2))
        where = "" if first else f" WHERE ({columns}) > ({given})"
        backwards = ", ".join(f"b.{column} DESC" for column, _ in self.key)
        last = ", ".join(_out(kind, f"b.{column}") for column, kind in self.key)
        values = ", ".join(f"('{name}', {broken}, {how})" for name, broken, how in self.rules)
        return (
            f"WITH batch AS MATERIALIZED (SELECT * FROM {self.table}{where}"
            f" ORDER BY {columns} LIMIT $1){self.before},"
            f" found AS (SELECT r.rule, {self.subject} AS subject, r.detail FROM batch b"
            f" {self.joins} CROSS JOIN LATERAL (VALUES {values}) AS r (rule, broken, detail)"
            " WHERE r.broken)"
            " SELECT (SELECT count(*) FROM batch) AS rows,"
            f" (SELECT ARRAY[{last}] FROM batch b ORDER BY {backwards} LIMIT 1) AS last,"
            " f.rule, f.subject, f.detail"
            " FROM (VALUES (1)) AS one LEFT JOIN found f ON true"
        )


def _in(kind: str, number: int) -> str:
    text = f"${number}::text"
    return f"decode({text}, 'hex')" if kind == "bytea" else f"{text}::{kind}"


def _out(kind: str, column: str) -> str:
    return f"encode({column}, 'hex')" if kind == "bytea" else f"{column}::text"


def one(name: str, columns: str, table: str, condition: str) -> str:
    """The row of ``table`` that a row of the batch names, or nulls."""
    return (
        f" LEFT JOIN LATERAL (SELECT {columns} FROM {table} t WHERE {condition} LIMIT 1) {name}"
        " ON true"
    )


INBOX: Final = one("i", "t.id, t.environment_id, t.modseq", "inboxes", "t.id = b.inbox_id")
MESSAGE: Final = one("m", "t.id, t.inbox_id, t.size", "messages", "t.id = b.message_id")
ORGANIZATION: Final = one("o", "t.id", "organizations", "t.id = b.organization_id")
ENVIRONMENT: Final = one("e", "t.id, t.organization_id", "environments", "t.id = b.environment_id")
