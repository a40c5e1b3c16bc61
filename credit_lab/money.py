"""Money: currency units outside, int64 minor units (cents, fen) where sums must reconcile.

Amounts in tables are float64 in currency units. Up to 2**46 units (70 trillion) a float64 tells hundredths apart, so
`to_minor` and `from_minor` are inverse; from there to 2**53 minor units neighbouring cents may be one float64. Sums of
floats are not exact: add minor units (`added`), compare those, convert the total. A short column whose currency is not
at hand is added by `total`. How many decimals an amount is shown with is decided here alone (`minor_digits`, `text`).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab.errors import LedgerError

# ISO 4217 currencies whose minor unit is not a hundredth.
_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}
LARGEST_MINOR = 2**53
LARGEST_SUM = 2**62  # of all amounts of a table, whatever their signs: half of what int64 holds


def minor_digits(currency: str) -> int:
    """Decimals of a currency's minor unit (ISO 4217); 2 for a currency not listed.

    >>> minor_digits("CNY"), minor_digits("JPY"), minor_digits("KWD")
    (2, 0, 3)
    """
    return _EXPONENTS.get(currency, 2)


def scale(currency: pd.Series | str) -> npt.NDArray[np.float64] | float:
    """Minor units per currency unit: one number for a code, an array for a column of codes (100 where unknown)."""
    if isinstance(currency, str):
        return 10.0 ** minor_digits(currency)
    codes, names = pd.factorize(currency)
    return np.array([10.0 ** minor_digits(str(name)) for name in names] + [100.0])[codes]


def to_minor(amount: pd.Series, currency: pd.Series | str) -> npt.NDArray[np.int64]:
    """Amounts in currency units as int64 minor units, rounded to the nearest.

    Raises LedgerError for an amount that is not finite or beyond 2**53 minor units.
    """
    units, per = np.asarray(amount, dtype=np.float64), scale(currency)
    scaled = units * per
    if not np.isfinite(scaled).all():
        raise LedgerError("an amount is missing or infinite and has no minor units; quarantine such rows first")
    if np.any(np.abs(scaled) >= LARGEST_MINOR):
        raise LedgerError(
            f"an amount or a balance lies above 2**53 minor units ({np.max(np.abs(scaled)):,.0f}), where one more or "
            "less is no longer told; bring the ledger in thousands of its currency, or company by company"
        )
    minor = np.rint(scaled)
    if np.any(np.abs(scaled) >= 2**51):  # the product is rounded, too: a neighbour may be meant
        for step in (-1, 1):
            meant = (minor / per != units) & ((minor + step) / per == units)
            minor = minor + np.where(meant, step, 0)
    return minor.astype(np.int64)


def from_minor(minor: npt.ArrayLike, currency: str) -> npt.NDArray[np.float64]:
    """Minor units as currency units (float64): the double nearest to the exact decimal."""
    return np.asarray(np.asarray(minor, dtype=np.int64) / 10.0 ** minor_digits(currency))


def added(amount: pd.Series, by: Any, currency: pd.Series | str) -> pd.Series:
    """Sums of amounts per group of `by`, added in minor units: currency units, exact, so that they may be compared.

    Raises LedgerError as `to_minor`.
    """
    rows = pd.DataFrame({"minor": to_minor(amount, currency), "per": scale(currency)}, index=amount.index)
    grouped = rows.groupby(by)
    return grouped["minor"].sum() / grouped["per"].first()


def less(amount: pd.Series, other: pd.Series, currency: str) -> pd.Series:
    """Differences of amounts, row by row in minor units: currency units, exact, so that they may be compared.

    Raises LedgerError as `to_minor`.
    """
    minor = to_minor(amount, currency) - to_minor(other, currency)
    return pd.Series(from_minor(minor, currency), index=amount.index)


def total(amounts: Iterable[float]) -> float:
    """Sum of a few amounts in currency units, added as the decimals they stand for, so that it may be compared.

    A difference is the sum of the one and the other with its sign turned. NaN where one is missing.

    >>> total([14872939816.22, -1248032018.59, -7781617978.96, -5843289818.67])
    0.0
    """
    return float(sum((Decimal(repr(float(amount))) for amount in amounts), Decimal(0)))


def text(amount: float, currency: str) -> str:
    """An amount with the decimals of its currency, as many as a float64 holds; nothing has no sign.

    >>> text(1234.5, "CNY"), text(0.001, "KWD"), text(1234.0, "JPY"), text(-0.0, "CNY")
    ('1,234.50', '0.001', '1,234', '0.00')
    """
    digits = minor_digits(currency)
    return f"{amount:z,.{digits}f}" if abs(amount) < 10.0 ** (17 - digits) else f"{amount:.6g}"


def off_grid(amount: pd.Series, currency: pd.Series | str) -> npt.NDArray[np.bool_]:
    """True where a finite amount is no whole number of minor units (12.345 in USD).

    The tolerance is a few units in the last place of the product, so it grows with the amount and never
    mistakes the rounding of binary floats for a third decimal.
    """
    scaled = np.asarray(amount, dtype=np.float64) * scale(currency)
    with np.errstate(invalid="ignore"):
        return np.abs(scaled - np.rint(scaled)) > 1e-9 + 4 * np.spacing(np.abs(scaled))
