"""Checks: one check, one file, named like the check."""

from feedback.checks.check import Check, Passed

__all__ = ["Check", "Passed"]
