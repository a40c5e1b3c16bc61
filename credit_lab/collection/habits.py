"""A customer's own way of paying: empirical-Bayes factors per age band and per weekday around the hazard.

Around the logit hazard h(x, band, weekday) a customer c has the hazard h⁰ · a_cb · m_cw with

    a_cb = (paid_cb + κ h̄_b) / (Σ_w E_cbw m_cw + κ h̄⁰_b)        m_cw = (paid_cw + κ_w) / (Σ_b E_cbw a_cb + κ_w)

h⁰ leaves out the factors that summarise the customer's own past; they only shape the prior h̄.
paid: payments seen so far, E: payments the logit expected on the days seen so far, both fading with a half-life. κ is
the weight of the logit in days at risk, κ_w in payments. A customer never seen gets the prior. (Gamma prior
of rates: Clayton & Kaldor 1987, Biometrics 43:671; the form was found by trial on two ledgers.)

Only days before the day of asking count, so the same spells serve every day of a walk through time.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab.collection.cells import YOUNGEST, CollectionError, Floats, Ints, day_number
from credit_lab.compiled import njit

LONGEST = 1500  # days of a spell that are looked at


@dataclass(frozen=True)
class Habit:
    """How much a customer's own past counts.

    kappa : weight of the logit per age band, in days at risk
    kappa_weekday : weight of the common weekday pattern, in payments
    half_life : days after which a past day counts half
    """

    kappa: float = 4.0
    kappa_weekday: float = 8.0
    half_life: float = 300.0

    def __post_init__(self) -> None:
        if min(self.kappa, self.kappa_weekday, self.half_life) <= 0:
            raise CollectionError("habit: kappa, kappa_weekday and half_life must be above zero")


@dataclass(frozen=True)
class Past:
    """Spells of customers, ready to be asked as of any day.

    names : customers; first : where each customer's spells begin (by start day) in the arrays after it
    group : row of `rates` (logit hazards per band and weekday) that holds for the spell
    """

    names: pd.Index
    first: Ints
    due: Ints
    start: Ints
    stop: Ints
    paid: np.ndarray
    group: Ints
    rates: Floats
    band_of: Ints
    begin: int
    fade: Floats

    def seen(self, customer: pd.Series, day: Ints) -> tuple[Floats, Floats]:
        """Payments and expected payments before `day` per (row, band, weekday), faded to `day`."""
        code = self.names.get_indexer(pd.Index(customer.astype("str"))).astype(np.int64)
        pairs = pd.DataFrame({"code": code, "day": day})
        number = pairs.groupby(["code", "day"], sort=True).ngroup().to_numpy()
        place = np.full(int(number.max(initial=-1)) + 1, -1, dtype=np.int64)
        place[number] = np.arange(len(number))
        asked_code, asked_day = code[place], day[place]
        bands = self.rates.shape[1]
        paid = np.zeros((len(place), bands, 7))
        expected = np.zeros((len(place), bands, 7))
        known = np.flatnonzero(asked_code >= 0)
        _collect(
            asked_code[known], asked_day[known], known, self.first, self.due, self.start, self.stop, self.paid,
            self.group, self.rates, self.band_of, YOUNGEST, self.begin, self.fade, paid, expected,
        )  # fmt: skip
        return paid[number], expected[number]


def past(spells: pd.DataFrame, rates: Floats, group: Ints, band_of: Ints, *, half_life: float) -> Past:
    """Arrange spells by customer and start; `rates[group]` are the logit hazards of each spell."""
    code, names = pd.factorize(spells["customer_id"].astype("str"), sort=True)
    due, start, stop = (day_number(spells[name]) for name in ("due_date", "start", "stop"))
    start = np.maximum(start, stop - LONGEST)
    order = np.lexsort((stop, start, code))
    begin = int(start.min())
    span = int(stop.max()) - begin + 2
    return Past(
        names=pd.Index(names),
        first=np.searchsorted(code[order], np.arange(len(names) + 1)).astype(np.int64),
        due=due[order],
        start=start[order],
        stop=stop[order],
        paid=spells["paid"].to_numpy(dtype=bool)[order],
        group=group[order],
        rates=rates,
        band_of=band_of,
        begin=begin,
        fade=np.exp2(np.arange(span + 4000) / half_life),
    )


@njit()
def _collect(codes, days, rows, first, due, start, stop, paid, group, rates, band_of, youngest, begin, fade, y, e):  # type: ignore[no-untyped-def] # pragma: no cover
    """Walk each customer's days once, in order of the days asked for; weights grow with time, then are faded."""
    bands = rates.shape[1]
    active = np.empty(len(due), np.int64)
    upto = np.empty(len(due), np.int64)
    sum_y = np.zeros((bands, 7))
    sum_e = np.zeros((bands, 7))
    last_code, count, fresh = -1, 0, 0
    for k in range(len(codes)):
        code, day = codes[k], days[k]
        if code != last_code:
            sum_y[:] = 0.0
            sum_e[:] = 0.0
            last_code, count, fresh = code, 0, first[code]
        while fresh < first[code + 1] and start[fresh] < day:
            active[count] = fresh
            upto[count] = start[fresh]
            count += 1
            fresh += 1
        i = 0
        while i < count:
            s = active[i]
            end = min(stop[s], day - 1)
            g = group[s]
            for d in range(upto[i], end + 1):
                age = d - due[s] - youngest
                if age < 0 or age >= len(band_of):
                    continue
                weight = fade[d - begin]
                w = (d + 3) % 7
                b = band_of[age]
                sum_e[b, w] += weight * rates[g, b, w]
                if paid[s] and d == stop[s]:
                    sum_y[b, w] += weight
            upto[i] = end + 1
            if stop[s] < day:
                count -= 1
                active[i] = active[count]
                upto[i] = upto[count]
            else:
                i += 1
        scale = 1.0 / fade[max(min(day - begin, len(fade) - 1), 0)]
        y[rows[k]] = sum_y * scale
        e[rows[k]] = sum_e * scale


def factors(
    paid: Floats, expected: Floats, rate: Floats, prior: Floats, habit: Habit, *, rounds: int = 3
) -> tuple[Floats, Floats]:
    """The two factors a (rows × bands) and m (rows × 7), found by turns.

    rate : the row's logit hazard without the customer's own past; prior : with it
    """
    weight, aim = habit.kappa * rate.mean(axis=2), habit.kappa * prior.mean(axis=2)
    by_band, by_day = paid.sum(axis=2), paid.sum(axis=1)
    m = np.ones((len(paid), 7))
    for step in range(rounds + 1):
        a = (by_band + aim) / ((expected * m[:, None, :]).sum(axis=2) + weight)
        if step < rounds:
            m = (by_day + habit.kappa_weekday) / ((expected * a[:, :, None]).sum(axis=1) + habit.kappa_weekday)
    return a, m
