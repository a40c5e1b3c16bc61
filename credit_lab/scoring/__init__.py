"""Scorecards: exact binning, fitting, calibration, validation, stability.

>>> from credit_lab.scoring import Binner, fit
"""

from credit_lab import lazy
from credit_lab.scoring.binning import Binner
from credit_lab.scoring.fitting import fit, fit_joint
from credit_lab.scoring.optimum import Limits
from credit_lab.scoring.scorecard import Scaling, Scorecard

__all__ = ["Binner", "Limits", "Scaling", "Scorecard", "fit", "fit_joint"]

__getattr__ = lazy.modules(__name__, ("export", "reject"))
