"""Checks: one check, one file, named like the check."""

from feedback.checks.check import Check

__all__ = ["Check"]
