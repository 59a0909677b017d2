"""Seeded mail for tests, fuzzing and benchmarks: the same seed always gives the same octets.

``realistic`` writes what people, lists, shops and servers send; ``hostile`` writes what breaks
parsers; ``sized`` writes a plain message of exactly so many octets.  With ``wire=True`` the
result is what SMTP's DATA could carry: CRLF only, no NUL, no line over 998 octets.  Only the
standard library is used, so that the generator can be trusted to judge our own code.
"""

from tests.mailgen.hostile import HOSTILE, hostile
from tests.mailgen.octets import on_the_wire
from tests.mailgen.realistic import REALISTIC, realistic
from tests.mailgen.sized import sized

__all__ = ["HOSTILE", "REALISTIC", "hostile", "on_the_wire", "realistic", "sized"]
