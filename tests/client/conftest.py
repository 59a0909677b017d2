"""The Python client against the real API on a real socket."""

from tests.http.resources.conftest import acme, api, globex

__all__ = ["acme", "api", "globex"]
