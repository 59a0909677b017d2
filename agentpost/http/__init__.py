"""The HTTP edge: REST, event streams, WebSocket, MCP and the console on one listener."""
