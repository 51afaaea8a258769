"""REST and websocket routes: one package for each dialect, all over the one JobStore."""
