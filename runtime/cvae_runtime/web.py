"""Write a web page that runs a bundle in the browser.

Examples:
    >>> from cvae_runtime import web
    >>> from pathlib import Path
    >>> web.is_single_file(Path("page.html")), web.is_single_file(Path("page"))
    (True, False)
"""

from ._web import check_page, is_single_file, write_page

__all__ = ["check_page", "is_single_file", "write_page"]
