"""Feeds: how the director asks hosts for their load on which no agent of ours runs."""
