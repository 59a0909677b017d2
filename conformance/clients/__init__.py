"""Journeys of real mail clients against the whole running server.

``python -m conformance.clients`` installs what is missing, starts a server of its own, sends every
client on its journey and prints what came of it.  A journey is a module with one function: it
drives the client as its users do and, after each step, asks a witness (plain ``imaplib``) whether
the mailbox is now what the client believes.
"""
