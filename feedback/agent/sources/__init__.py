"""Metric sources: one metric, one file, named like the source."""
