"""Infrastructure as code for billing customers of the Alternative Payments API."""

__version__ = "0.1.0"
