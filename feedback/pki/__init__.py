"""A small certificate authority: the director's own, for the TLS between it and its agents."""
