"""The ASGI application: routes, WebSocket, middleware and pages, over the ports of `ports.py`."""
