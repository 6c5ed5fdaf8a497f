"""A web service for a bundle: samples, reconstructions and scores, as PNG and JSON."""

from .app import create_app
from .settings import Settings

__all__ = ["Settings", "create_app"]
