"""A cluster in virtual time that drives the director's own decisions, to see what a policy would do before it does.

`scenario` says what there is, `server` and `workload` how servers and clients behave, `cluster` lets time pass,
`measure` keeps what came of it. Nothing here knows a clock or a socket; chance comes from a seed.
"""
