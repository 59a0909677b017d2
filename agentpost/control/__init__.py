"""The line between the supervisor and a worker: a socket pair and a handful of frames.

A frame is one letter, four octets of length (network order), and that many octets.

=======  ====================  ===========================================================
letter   direction             meaning
=======  ====================  ===========================================================
``S``    supervisor to worker  start: JSON with the settings and the sockets' descriptors
``R``    worker to supervisor  ready: all listeners accept
``D``    supervisor to worker  drain: stop accepting, end what runs, exit
``T``    supervisor to worker  read the TLS certificate again
``M``    both                  metrics: an empty question, the exposition as the answer
=======  ====================  ===========================================================

The line is also the life-line: when it ends the supervisor is gone, and so must the worker be.

The supervisor uses :mod:`agentpost.control.frames` only and so runs without Trio; a worker holds
an :class:`agentpost.control.line.Line`.
"""
