"""The web page with a bundle in it, as a folder or one file."""

from .write import check_page, is_single_file, write_page

__all__ = ["check_page", "is_single_file", "write_page"]
