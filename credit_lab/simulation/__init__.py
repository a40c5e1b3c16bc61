"""Row 4: a fast twin of the portfolio in which two policies meet the same world.

`calibrate` learns a world from a ledger, `of_policy` turns a policy file into rules, `simulate` runs replicates,
`compare` sets two policies side by side, `search` looks for better ones.
"""

from credit_lab import lazy
from credit_lab.simulation.assumptions import Assumptions
from credit_lab.simulation.calibration import Calibration, calibrate
from credit_lab.simulation.outcome import Comparison, Outcome, compare, simulate
from credit_lab.simulation.regime import Regime, of_policy
from credit_lab.simulation.run import Span
from credit_lab.simulation.world import Customers, Opening, SimulationError, World

__all__ = [
    "Assumptions",
    "Calibration",
    "Comparison",
    "Customers",
    "Opening",
    "Outcome",
    "Regime",
    "SimulationError",
    "Span",
    "World",
    "assumptions",
    "calibrate",
    "compare",
    "of_policy",
    "outcome",
    "search",
    "simulate",
]

lazy.attach(__name__)
