"""Row 3: credit files (信用档案) from claims by several sources: completeness, freshness, verification, matching."""

from credit_lab import lazy
from credit_lab.investigation.files import Files, credit_files, events, tiers
from credit_lab.investigation.invoices import invoice_file
from credit_lab.investigation.matching import clean_name, duplicates, name_clusters, pair_figures
from credit_lab.investigation.register import read_register
from credit_lab.investigation.statements_check import check_statements
from credit_lab.investigation.verification import Verification, verify

__all__ = [
    "Files",
    "Verification",
    "check_statements",
    "clean_name",
    "credit_files",
    "duplicates",
    "events",
    "invoice_file",
    "name_clusters",
    "pair_figures",
    "read_register",
    "tiers",
    "verify",
]

lazy.attach(__name__)
