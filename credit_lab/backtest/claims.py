"""Claims as data, and the verdict of an estimated effect on a claimed band.

Three words only. *Supported*: the effect is shown to lie in the band by two one-sided tests at 5 % each (its 90 %
interval lies inside). *Contradicted*: its 95 % interval and the band have no point in common. Otherwise *not
distinguishable*, with the months or customers still needed. A claim read as "at least" needs the near edge only.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from credit_lab import toml_file
from credit_lab.backtest.effects import DesignError, Effect, interval_at, p_value_against, to_link
from credit_lab.errors import nearest

SUPPORTED, OPEN, CONTRADICTED = "supported", "not distinguishable", "contradicted"
ALPHA = 0.05
PLAN_POWER = 0.80
_FIELDS = ["metric", "direction", "least", "most", "from_month", "to_month", "reading", "name_en", "name_zh", "source"]
_NUMBERS = ("least", "most", "from_month", "to_month")


@dataclass(frozen=True)
class Claim:
    """A claimed effect: `metric` goes `direction` by `least`..`most` (sizes, fractions) in months from..to."""

    claim_id: str
    metric: str
    direction: str
    least: float
    most: float
    from_month: int
    to_month: int
    reading: str
    name_en: str
    name_zh: str
    source: str

    @property
    def band(self) -> tuple[float, float]:
        """The claimed effect as a signed interval, low end first: (-0.5, -0.3) for thirty to fifty percent less."""
        return (self.least, self.most) if self.direction == "up" else (-self.most, -self.least)

    @property
    def near(self) -> float:
        """The edge of the band that is closer to no effect."""
        return self.least if self.direction == "up" else -self.least


@dataclass(frozen=True)
class Verdict:
    """An effect set against a claim.

    word : supported, not distinguishable, contradicted. reason : the branch of the sentence, see `sentence`.
    low, high : the 90 % interval of the two one-sided tests. p_equivalence : the larger of their p-values.
    p_near : one-sided p-value that the effect passes the near edge. needed_of, needed : what and how much data would
    decide with 80 % power if the truth lay in the middle of the band (inf: never with this design; NaN: decided).
    """

    claim: Claim
    effect: Effect
    word: str
    reason: str
    low: float
    high: float
    p_equivalence: float
    p_near: float
    needed_of: str
    needed: float


def load_claims(path: Path | str) -> dict[str, Claim]:
    """Claims of a TOML file by id.

    Raises
    ------
    DesignError
        No [claim.*] table, unknown or missing keys, a band or window the wrong way round.
    """
    document = toml_file.read(path, "claims", DesignError, "data/claims")
    tables = document.get("claim", {})
    if not isinstance(tables, dict) or not tables or not all(isinstance(one, dict) for one in tables.values()):
        raise DesignError(f"{path}: no [claim.NAME] table; see data/claims/process_guide.toml for the form")
    return {name: _claim(path, name, entry) for name, entry in tables.items()}


def _claim(path: Path | str, name: str, entry: dict) -> Claim:
    place = f"{path}: claim.{name}"
    for key in entry:
        if key not in _FIELDS:
            raise DesignError(f"{place}: key {key!r} is not known; {nearest(key, _FIELDS)}")
    entry = {"reading": "within", "name_en": name, "name_zh": name, "source": "", **entry}
    missing = [key for key in _FIELDS if key not in entry]
    if missing:
        raise DesignError(f"{place}: {', '.join(missing)} missing")
    for key, value in entry.items():
        wanted: tuple[type, ...] = (int, float) if key in _NUMBERS else (str,)
        if not isinstance(value, wanted) or isinstance(value, bool) or value != value:
            raise DesignError(f"{place}: {key} should be a {'number' if key in _NUMBERS else 'text'}, not {value!r}")
    if entry["direction"] not in ("up", "down"):
        raise DesignError(f"{place}: direction {entry['direction']!r} is not up or down")
    if entry["reading"] not in ("within", "at_least"):
        raise DesignError(f"{place}: reading {entry['reading']!r} is not within or at_least")
    if not 0 < entry["least"] < entry["most"] or (entry["direction"] == "down" and entry["most"] >= 1):
        raise DesignError(f"{place}: need 0 < least < most (and most < 1 for down), fractions not percent")
    if not 0 < entry["from_month"] <= entry["to_month"]:
        raise DesignError(f"{place}: need 0 < from_month <= to_month")
    return Claim(claim_id=name, **entry)


def verdict(effect: Effect, claim: Claim, *, alpha: float = ALPHA) -> Verdict:
    """Set a relative effect against a claimed band.

    Raises
    ------
    DesignError
        An absolute effect: a band in percent says nothing about it.

    References
    ----------
    Schuirmann (1987) J. Pharmacokinet. Biopharm. 15:657 (two one-sided tests); Lakens (2017) Soc. Psychol. Pers.
    Sci. 8:355.
    """
    if effect.unit != "relative":
        raise DesignError(
            f"claims: {effect.estimator} gives an absolute effect, the claim is a fraction; estimate with log=True, "
            "scale='ratio' or relative=True"
        )
    a, b = claim.band
    if not (math.isfinite(effect.low) and math.isfinite(effect.high)):
        return Verdict(claim, effect, OPEN, "no interval", math.nan, math.nan, math.nan, math.nan, "donors", math.nan)
    p_above, p_below = p_value_against(effect, a, greater=True), p_value_against(effect, b, greater=False)
    p_near = p_above if claim.direction == "up" else p_below
    low, high = interval_at(effect, 1 - 2 * alpha)
    p_equal = max(p_above, p_below)
    word, reason = _word(effect, claim, p_near if claim.reading == "at_least" else p_equal, alpha)
    needed_of, needed = ("", math.nan) if word != OPEN else data_needed(effect, claim, alpha=alpha)
    return Verdict(claim, effect, word, reason, low, high, p_equal, p_near, needed_of, needed)


def _word(effect: Effect, claim: Claim, p_value: float, alpha: float) -> tuple[str, str]:
    a, b = claim.band
    if p_value < alpha:
        return SUPPORTED, "inside" if claim.reading == "within" else "reached"
    up = claim.direction == "up"
    short = effect.high < a if up else effect.low > b
    beyond = claim.reading == "within" and (effect.low > b if up else effect.high < a)
    if short:
        against = effect.high < 0 if up else effect.low > 0
        return CONTRADICTED, "opposite" if against else "smaller"
    if beyond:
        return CONTRADICTED, "larger"
    return OPEN, "no effect possible" if effect.low <= 0 <= effect.high else "size open"


def data_needed(effect: Effect, claim: Claim, *, alpha: float = ALPHA) -> tuple[str, float]:
    """What (months_after, clusters, rows) and how much of it makes *supported* come with 80 % power.

    The truth is put in the middle of the band on the link scale; the standard error must fall to half its width /
    (z_95% + z_90%). Read from `effect.precision`, between its rows on log axes; inf beyond its last row.
    """
    a, b = (float(to_link(edge, effect.link)) for edge in claim.band)
    z = float(special.ndtri(1 - alpha))
    if claim.reading == "within":
        aim = (b - a) / 2 / (z + float(special.ndtri((1 + PLAN_POWER) / 2)))
    else:
        aim = (b - a) / 2 / (z + float(special.ndtri(PLAN_POWER)))
    table = effect.precision.dropna()
    if table.empty:
        return "", math.nan
    inflate = effect.normal_error / effect.std_error if effect.std_error > 0 else 1.0
    count = table["count"].to_numpy(dtype=float)
    error = table["std_error"].to_numpy(dtype=float) * inflate
    name = str(table["needed_of"].iloc[0])
    reached = np.flatnonzero(error <= aim)
    if not len(reached):
        return name, math.inf
    k = int(reached[0])
    if k == 0:
        return name, float(count[0])
    share = np.log(error[k - 1] / aim) / np.log(error[k - 1] / error[k])
    return name, float(math.ceil(count[k - 1] * (count[k] / count[k - 1]) ** share))


def time_to_effect(effect: Effect, claim: Claim, *, in_a_row: int = 2) -> pd.DataFrame:
    """When the effect showed, from the event-study series: event, period, months_after.

    leaves_zero: first of `in_a_row` periods whose intervals exclude zero on the claimed side; estimate_in_band and
    interval_in_band likewise. months_after counts from 1 for the first month of the policy; NaN: never so far.
    """
    table = effect.series
    # Event months of a roll-out are numbers and may be negative; calendar months are already those after the policy.
    if not pd.api.types.is_datetime64_any_dtype(table["period"]):
        table = table[pd.to_numeric(table["period"], errors="coerce") >= 0]
    table = table.reset_index(drop=True)
    a, b = claim.band
    up = claim.direction == "up"
    tests = {
        "leaves_zero": table["low"] > 0 if up else table["high"] < 0,
        "estimate_in_band": table["effect"].between(a, b),
        "interval_in_band": (table["low"] >= a) & (table["high"] <= b),
    }
    rows = []
    for name, holds in tests.items():
        lasting = holds.astype(int)[::-1].rolling(in_a_row).sum()[::-1] == in_a_row
        place = int(np.argmax(lasting)) if lasting.any() else None
        period = table["period"].iloc[place] if place is not None else None
        rows.append((name, period, float(place + 1) if place is not None else np.nan))
    return pd.DataFrame(rows, columns=["event", "period", "months_after"]).astype({"period": object})
