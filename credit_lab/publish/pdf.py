"""The page of a report as PDF: A4, cover, contents with page numbers, running heads, figures as
vectors.

The only module that knows WeasyPrint. Nothing is fetched while printing: everything is inside the
page.
"""

import gc
from pathlib import Path

from credit_lab.errors import ReportError


def write(html: str, path: Path) -> Path:
    """Print a page to `path`.

    Raises
    ------
    ReportError
        WeasyPrint or the system library it draws with is missing.
    """
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        raise ReportError(
            f"PDF needs WeasyPrint and the system library Pango ({error}); "
            "install credit_lab[pdf] and libpango, or ask for --format html"
        ) from error
    inside_only = weasyprint.urls.URLFetcher(allowed_protocols=["data"])
    # Millions of boxes live until the last page is drawn: looking for dead ones among them takes a
    # quarter of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        weasyprint.HTML(string=html, url_fetcher=inside_only).write_pdf(path)
    finally:
        if collecting:
            gc.enable()
    return path
