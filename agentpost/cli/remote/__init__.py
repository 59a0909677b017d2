"""Verbs that use AgentPost over its API, from anywhere, with a key: the Python SDK in a shell.

The verbs beside them (``inbox``, ``key``, ``org``) run on the server's machine, on its database.
"""
