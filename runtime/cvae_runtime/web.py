"""Write a web page that runs a bundle in the browser."""

from ._web import check_page, is_single_file, write_page

__all__ = ["check_page", "is_single_file", "write_page"]
