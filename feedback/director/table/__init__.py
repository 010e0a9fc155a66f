"""The table of virtual services: the kernel's through netlink, or one in memory, behind one contract."""

from feedback.director.table.contract import Table

__all__ = ["Table"]
