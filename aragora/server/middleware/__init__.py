"""Pure ASGI layers around the application, one concern each; `aragora.server.app` puts them in order."""
