"""SMTP on the wire: lines, data, commands, replies and states, without any I/O."""
