"""One figure against the period before and the same period last year, in a sentence.

Each base is named, so that a rise against the one and a fall against the other can stand side by
side.
"""

import numpy as np
import pandas as pd


def moved(
    name: str,
    row: pd.Series,
    unit: str,
    bases: tuple[str, str],
    *,
    worse_is_up: bool,
    noise: float = 0.5,
    why: str = "",
) -> str:
    """One figure against the period before and the same period last year.

    Parameters
    ----------
    name : of the figure, with its formula
    row : of `kpi.table`: value, change, change_year, in `unit`
    bases : what `change` and `change_year` are counted from, such as 2025Q3 and 2024Q4
    worse_is_up : whether a higher figure is worse
    noise : movements up to here are called unchanged, in `unit`
    why : the reason where there is no value

    Examples
    --------
    >>> row = pd.Series({"value": 55.5, "change": 2.0, "change_year": 1.1})
    >>> moved("DSO", row, "days", ("2025Q3", "2024Q4"), worse_is_up=True)
    'DSO rose by 2.0 days against 2025Q3 to 55.5 and by 1.1 days against 2024Q4 (worse).'
    """
    if not np.isfinite(row["value"]):
        return f"{name} is not measured: {why}." if why else f"{name} is not measured."
    changes = dict(zip(bases, (row["change"], row["change_year"]), strict=True))
    lacking = " or ".join(base for base, change in changes.items() if not np.isfinite(change))
    end = f" There is no figure of {lacking} to compare with." if lacking else ""
    return _against(name, f"{row['value']:.1f}", unit, changes, worse_is_up, noise) + end


def _against(
    name: str, value: str, unit: str, changes: dict[str, float], worse_is_up: bool, noise: float
) -> str:
    """The sentence of a figure that is known, by what it is compared with."""
    calm = " and ".join(base for base, change in changes.items() if abs(change) <= noise)
    far = [(base, change) for base, change in changes.items() if abs(change) > noise]
    if not far:
        if not calm:
            return f"{name} stands at {value} {unit}."
        return f"{name} is {value} {unit}, unchanged within {noise} {unit} against {calm}."
    rose = far[0][1] > 0
    judged = "worse" if rose == worse_is_up else "better"
    (base, change), (other, late) = far[0], far[-1]
    size, more = f"{abs(change):.1f} {unit}", f"{abs(late):.1f} {unit}"
    if len(far) == 1:
        near = f", unchanged within {noise} {unit} against {calm}" if calm else ""
        if rose:
            return f"{name} rose by {size} against {base} to {value} ({judged}){near}."
        return f"{name} fell by {size} against {base} to {value} ({judged}){near}."
    if (late > 0) != rose:
        if rose:
            return (
                f"{name} rose by {size} against {base} to {value}, but fell by {more} against "
                f"{other}."
            )
        return (
            f"{name} fell by {size} against {base} to {value}, but rose by {more} against {other}."
        )
    if rose:
        return (
            f"{name} rose by {size} against {base} to {value} and by {more} against {other} "
            f"({judged})."
        )
    return (
        f"{name} fell by {size} against {base} to {value} and by {more} against {other} ({judged})."
    )
