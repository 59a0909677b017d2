"""What a failure says on each protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Column:
    """How one kind of failure reads on the three protocols."""

    code: str
    http: int
    imap: str | None
    smtp: tuple[int, str]
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that is wrong; ``path`` is a JSON path such as ``to[0].email``."""

    path: str
    message: str


class Problem(Exception):
    """A failure that a client is told about.

    ``message`` says what is wrong in this case, ``fix`` what the caller can do; both default to
    the table's text and never hold a credential or a body.  ``retry_after`` is in seconds.
    """

    column: ClassVar[Column]

    def __init__(
        self,
        message: str | None = None,
        *,
        fix: str | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        self.message = message or self.column.message
        self.fix = fix or self.column.fix
        self.errors = errors
        self.retry_after = retry_after
        super().__init__(self.message)

    @property
    def code(self) -> str:
        return self.column.code
