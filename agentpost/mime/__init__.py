"""RFC 5322 and MIME: reading and writing messages, without any input or output."""
