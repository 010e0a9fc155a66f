"""Health checks and load feedback for Linux Virtual Server (IPVS)."""

__version__ = "0.1.0"
