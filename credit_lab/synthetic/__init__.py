"""Row 1: a seller on open account whose truth is known, for tests, demonstrations and calibration of methods."""

from credit_lab.synthetic.firm import Change, Firm, Sample
from credit_lab.synthetic.generate import generate

__all__ = ["Change", "Firm", "Sample", "generate"]
