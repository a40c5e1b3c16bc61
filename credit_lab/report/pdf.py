"""The page of a report as PDF: A4, cover, contents with page numbers, running heads, figures as vectors.

The only module that knows WeasyPrint. Nothing is fetched while printing: everything is inside the page.
"""

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
    weasyprint.HTML(string=html, url_fetcher=inside_only).write_pdf(path)
    return path
