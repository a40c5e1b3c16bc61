"""Discrete-time hazard of payment: a logit per age band with factors, fitted on aggregated cells.

P(paid on day d | unpaid before) = 1 / (1 + exp(−η)), η = band + weekday + Σ level of factor within a stretch of ages.
A factor acts differently before, around and after the due date, so each of its levels has one coefficient per stretch
(`STRETCHES`). The likelihood of the cells is the likelihood of all person-days, so the estimates are the same
(Prentice & Gloeckler 1978, Biometrics 34:57; Allison 1982, Sociological Methodology 13:61; Efron 1988, JASA 83:414).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from credit_lab.collection.cells import (
    AgeBands,
    Cells,
    CollectionError,
    Factor,
    Floats,
    Ints,
    check_spells,
    count_cells,
    day_number,
)

STRETCHES = (("early", -6), ("due", 5))  # last age of each stretch; older ages are "late"
DAYS_OF_WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Fit:
    """How the logit is fitted.

    ridge : weight of a normal prior with variance 1/ridge on every coefficient but the bands', which get so many days
        at risk at the mean rate instead; 0 is plain maximum likelihood, a little keeps levels and bands finite in which
        nobody or everybody paid
    min_events : bands are joined until each holds so many payments
    stretches : whether a factor has coefficients per stretch of ages, or one for all ages (proportional odds)
    """

    ridge: float = 1.0
    min_events: int = 20
    stretches: bool = True
    tolerance: float = 1e-10
    max_steps: int = 60


@dataclass(frozen=True)
class Hazard:
    """A fitted logit.

    bands, factors : see `cells`
    names : of the coefficients: band from age .., weekday .., factor=level@stretch
    coefficients : in log odds per day
    covariance : inverse information (model based)
    cells, payments, log_likelihood : of the fit, the prior's days included
    weekday_reference : the weekday without a coefficient
    """

    bands: AgeBands
    factors: tuple[Factor, ...]
    names: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    cells: int
    payments: float
    log_likelihood: float
    reference: tuple[int, ...]
    options: Fit

    def table(self, errors: Floats | None = None) -> pd.DataFrame:
        """Coefficients: name, coefficient, error (model based unless given), low and high (95 %)."""
        error = np.sqrt(np.diag(self.covariance)) if errors is None else errors
        return pd.DataFrame(
            {
                "name": self.names,
                "coefficient": self.coefficients,
                "error": error,
                "low": self.coefficients - 1.959964 * error,
                "high": self.coefficients + 1.959964 * error,
            }
        )

    def levels(self, codes: Ints) -> Floats:
        """Hazard per (row, band, weekday) for rows of factor levels."""
        rows, bands = len(codes), len(self.bands.starts)
        shape = (rows, bands, 7)
        band = np.broadcast_to(np.arange(bands)[None, :, None], shape).ravel()
        day = np.broadcast_to(np.arange(7)[None, None, :], shape).ravel()
        levels = np.repeat(codes, bands * 7, axis=0)
        active = _active(self, levels, band, day)
        beta = np.append(self.coefficients, 0.0)
        return (1 / (1 + np.exp(-beta[active].sum(axis=0)))).reshape(shape)

    def codes(self, table: pd.DataFrame) -> Ints:
        """Levels of all factors, rows × factors."""
        if not self.factors:
            return np.zeros((len(table), 0), dtype=np.int64)
        return np.column_stack([factor.codes(table) for factor in self.factors])

    def clustered_errors(self, spells: pd.DataFrame, *, rows_at_once: int = 100_000) -> Floats:
        """Standard errors that allow payments of one customer to go together (sandwich, by customer_id).

        V = A⁻¹ (Σ_c s_c s_c') A⁻¹ · C/(C−1), s_c the score of customer c (Liang & Zeger 1986, Biometrika 73:13).
        """
        owner, names = pd.factorize(spells["customer_id"], sort=True)
        order = np.argsort(owner, kind="stable")
        meat = np.zeros((len(self.coefficients), len(self.coefficients)))
        codes = self.codes(spells)
        cuts = [0]
        while cuts[-1] < len(order):
            end = min(cuts[-1] + rows_at_once, len(order))
            if end < len(order):  # never cut inside a customer
                end = int(np.searchsorted(owner[order], owner[order[end - 1]], side="right"))
            cuts.append(end)
        for begin, end in pairwise(cuts):
            part = order[begin:end]
            local, here = pd.factorize(owner[part])
            cells = count_cells(spells.iloc[part], codes[part], self.bands, local.astype(np.int64))
            meat += _score_products(self, cells, len(here))
        sandwich = self.covariance @ meat @ self.covariance * len(names) / max(len(names) - 1, 1)
        return np.sqrt(np.diag(sandwich))


def fit(
    spells: pd.DataFrame,
    factors: tuple[Factor, ...] = (),
    *,
    bands: AgeBands | None = None,
    options: Fit | None = None,
    weight: Floats | None = None,
) -> Hazard:
    """Fit the hazard of payment by Newton steps on aggregated cells.

    Parameters
    ----------
    spells : customer_id, due_date, start, stop, paid and the factor columns (see `cells`)
    factors : from `learn_factors`
    weight : of each spell; default 1

    Raises
    ------
    CollectionError
        No payments, or spells that end before they start.
    """
    options, bands = options or Fit(), bands or AgeBands()
    check_spells(spells)
    paid = spells["paid"].to_numpy(dtype=bool)
    if not paid.any():
        raise CollectionError("payment hazard: no spell ends in a payment; nothing can be learned about their time")
    age = (day_number(spells["stop"]) - day_number(spells["due_date"]))[paid]
    bands = bands.merged(age, min_events=max(options.min_events, 1), least=0 if options.ridge else 1)
    codes = (
        np.column_stack([factor.codes(spells) for factor in factors])
        if factors
        else np.zeros((len(spells), 0), dtype=np.int64)
    )
    cells = count_cells(spells, codes, bands, weight=weight)
    empty = Hazard(bands, factors, (), np.zeros(0), np.zeros((0, 0)), len(cells.days), 0.0, 0.0, (), options)
    reference = (_most(cells.weekday, cells.days, 7), *_references(cells, factors))
    model = Hazard(**{**empty.__dict__, "reference": reference, "names": _names(bands, factors, reference, options)})
    return _newton(model, _with_prior(cells, model))


def _with_prior(cells: Cells, model: Hazard) -> Cells:
    """Cells with `ridge` days at risk at the mean rate added to each band, at the reference levels."""
    if model.options.ridge == 0:
        return cells
    bands, rate = len(model.bands.starts), cells.paid.sum() / cells.days.sum()
    days = np.full(bands, model.options.ridge)
    reference = np.tile(np.array(model.reference[1:], dtype=np.int64), (bands, 1)).reshape(bands, len(model.factors))
    return Cells(
        np.concatenate([cells.codes, reference]),
        np.concatenate([cells.band, np.arange(bands)]),
        np.concatenate([cells.weekday, np.full(bands, model.reference[0])]),
        np.concatenate([cells.days, days]),
        np.concatenate([cells.paid, days * rate]),
        np.concatenate([cells.owner, np.zeros(bands, dtype=np.int64)]),
    )


def _newton(model: Hazard, cells: Cells) -> Hazard:
    active = _active(model, cells.codes, cells.band, cells.weekday)
    size, bands = len(model.names), len(model.bands.starts)
    penalty = np.full(size, model.options.ridge)
    penalty[:bands] = 0.0
    beta = np.zeros(size)
    rate = np.bincount(cells.band, cells.paid, minlength=bands) / np.bincount(cells.band, cells.days, minlength=bands)
    beta[:bands] = np.log(np.clip(rate, 1e-9, 1 - 1e-9) / (1 - np.clip(rate, 1e-9, 1 - 1e-9)))
    value = -np.inf
    for _ in range(model.options.max_steps):
        eta = np.append(beta, 0.0)[active].sum(axis=0)
        p = 1 / (1 + np.exp(-eta))
        gradient = _sum_by(active, cells.paid - cells.days * p, size) - penalty * beta
        information = _products(active, cells.days * p * (1 - p), size) + np.diag(penalty)
        step: Floats = np.linalg.solve(information + 1e-12 * np.eye(size), gradient).astype(np.float64)
        before, value, size_of_step = value, *_climb(active, cells, beta, step, penalty)
        beta = beta + size_of_step * step
        if abs(value - before) <= model.options.tolerance * (1 + abs(value)) and np.abs(step).max() < 1e-9:
            break
    else:
        raise CollectionError(
            "payment hazard: the fit did not settle; a level probably has no payments at all: "
            "use fewer groups, or ridge > 0"
        )
    return Hazard(
        **{
            **model.__dict__,
            "coefficients": beta,
            "covariance": np.linalg.inv(information + 1e-12 * np.eye(size)),
            "payments": float(cells.paid.sum()),
            "log_likelihood": value + 0.5 * float(penalty @ beta**2),
        }
    )


def _climb(active: Ints, cells: Cells, beta: Floats, step: Floats, penalty: Floats) -> tuple[float, float]:
    """Penalised log likelihood after the step, halved until it is finite and does not fall far."""
    start = _likelihood(active, cells, beta, penalty)
    size = 1.0
    for _ in range(30):
        value = _likelihood(active, cells, beta + size * step, penalty)
        if np.isfinite(value) and value >= start - 1e-9 * (1 + abs(start)):
            return value, size
        size /= 2
    return start, 0.0


def _likelihood(active: Ints, cells: Cells, beta: Floats, penalty: Floats) -> float:
    eta = np.append(beta, 0.0)[active].sum(axis=0)
    return float(cells.paid @ eta - cells.days @ np.logaddexp(0, eta) - 0.5 * penalty @ beta**2)


def _stretch(model: Hazard, band: Ints) -> Ints:
    if not model.options.stretches:
        return np.zeros_like(band)
    starts = np.array(model.bands.starts)[band]
    return np.searchsorted([last for _, last in STRETCHES], starts, side="left")


def _stretch_names(options: Fit) -> tuple[str, ...]:
    return (*(name for name, _ in STRETCHES), "late") if options.stretches else ("all",)


def _names(bands: AgeBands, factors: tuple[Factor, ...], reference: tuple[int, ...], options: Fit) -> tuple[str, ...]:
    names = [f"band from {start}" for start in bands.starts]
    names += [f"weekday={DAYS_OF_WEEK[day]}" for day in range(7) if day != reference[0]]
    for factor, skip in zip(factors, reference[1:], strict=True):
        names += [
            f"{factor.column}={level}@{stretch}"
            for number, level in enumerate(factor.levels)
            if number != skip
            for stretch in _stretch_names(options)
        ]
    return tuple(names)


def _active(model: Hazard, codes: Ints, band: Ints, day: Ints) -> Ints:
    """Positions of the coefficients that act in each cell: (2 + factors) × cells; the last position is no effect."""
    size, place = len(model.names), len(model.bands.starts)
    ordinal = day - (day > model.reference[0])
    rows = [band, np.where(day == model.reference[0], size, place + ordinal)]
    place += 6
    stretch, stretches = _stretch(model, band), len(_stretch_names(model.options))
    for number, (factor, skip) in enumerate(zip(model.factors, model.reference[1:], strict=True)):
        level = codes[:, number]
        ordinal = level - (level > skip)
        rows.append(np.where((level == skip) | (level < 0), size, place + ordinal * stretches + stretch))
        place += max(len(factor.levels) - 1, 0) * stretches
    return np.array(rows)


def _sum_by(active: Ints, weight: Floats, size: int) -> Floats:
    total = np.zeros(size + 1)
    for row in active:
        total += np.bincount(row, weight, minlength=size + 1)
    return total[:size]


def _products(active: Ints, weight: Floats, size: int) -> Floats:
    """X'WX of a design that has one 1 per row and factor."""
    wide = size + 1
    total = np.zeros(wide * wide)
    for i, first in enumerate(active):
        for j, second in enumerate(active[: i + 1]):
            part = np.bincount(first * wide + second, weight, minlength=wide * wide)
            total += part
            if i != j:
                total += part.reshape(wide, wide).T.ravel()
    return total.reshape(wide, wide)[:size, :size]


def _score_products(model: Hazard, cells: Cells, owners: int) -> Floats:
    active = _active(model, cells.codes, cells.band, cells.weekday)
    p = 1 / (1 + np.exp(-np.append(model.coefficients, 0.0)[active].sum(axis=0)))
    residual, wide = cells.paid - cells.days * p, len(model.names) + 1
    score = np.zeros(owners * wide)
    for row in active:
        score += np.bincount(cells.owner * wide + row, residual, minlength=owners * wide)
    kept = score.reshape(owners, wide)[:, :-1]
    return kept.T @ kept


def _most(code: Ints, weight: Floats, size: int) -> int:
    return int(np.bincount(code, weight, minlength=size).argmax())


def _references(cells: Cells, factors: tuple[Factor, ...]) -> list[int]:
    result = []
    for number, factor in enumerate(factors):
        level = cells.codes[:, number]
        known = level >= 0
        result.append(_most(level[known], cells.days[known], len(factor.levels)) if known.any() else 0)
    return result
