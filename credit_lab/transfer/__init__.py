"""Row 4: passing risk on: credit insurance (信用保险) and factoring (保理), what they cost and what they bring."""

from credit_lab import lazy
from credit_lab.transfer.factoring import Factoring, factor
from credit_lab.transfer.insurance import Insurance, insure, late_reports

__all__ = ["Factoring", "Insurance", "factor", "insure", "late_reports"]

lazy.attach(__name__)
