"""SMTP submission (RFC 6409): the edge through which mail programs and agents send."""
