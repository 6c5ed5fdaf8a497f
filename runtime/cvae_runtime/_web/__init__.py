"""The web page that runs a bundle, as a folder or one HTML file."""

from .write import check_page, is_single_file, write_page

__all__ = ["check_page", "is_single_file", "write_page"]
