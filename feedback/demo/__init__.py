"""The demo: a whole cluster of real processes on loopback, and the story that it plays.

The processes: one director with the memory table, and for each realserver one HTTP server and one agent; one client
makes the load. They are tied to this process and end with it, whatever ends it.
"""
