"""IMAP octets and their grammar: pure functions and values, no I/O (RFC 9051, RFC 3501)."""
