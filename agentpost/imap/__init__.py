"""IMAP4rev1 and IMAP4rev2: the edge of the store that mail programs speak to."""
