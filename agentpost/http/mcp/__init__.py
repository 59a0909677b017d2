"""The Model Context Protocol: mail as tools, resources and prompts of a language model.

``wire`` knows JSON-RPC and the versions of the protocol, ``tools`` what can be called, ``resources``
and ``prompts`` what can be read, ``server`` the methods, ``endpoint`` the Streamable HTTP transport.
Tools call the handlers of the REST API in the process, so that whatever holds there holds here.
"""
