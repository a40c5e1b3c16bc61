"""When invoices are paid: the habit of the customer, a dispute, the collection ladder, the payment run, a default.

The latent delay of an invoice is drawn once. Each action of the ladder multiplies the delay that is still to come by
its factor, so what would have happened without it is known exactly.
"""

import math
from dataclasses import dataclass

import numpy as np

from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import NEVER, Population
from credit_lab.synthetic.firm import Bools, Firm, Floats, Ints, Stage
from credit_lab.synthetic.trade import Invoices, weekday

LONGEST_DELAY = 300
_SHAPE = 0.9  # of the Weibull distribution of delays: the longer the wait, the longer the rest


@dataclass(frozen=True)
class Decisions:
    """Arrays over decisions of the ladder: row of Invoices, number of the stage, day, taken or not, propensity of
    what was done; last_with, last_without: day of the last payment if the action is taken and if not (NEVER: not)."""

    invoice: Ints
    stage: Ints
    day: Ints
    taken: Bools
    propensity: Floats
    last_with: Ints
    last_without: Ints


@dataclass(frozen=True)
class Payment:
    """pay: day of the last payment of each invoice (first instalment's, where there are some), as if nobody failed;
    decisions of the ladder on the way."""

    pay: Ints
    decisions: Decisions


def payments(firm: Firm, chance: Chance, people: Population, made: Invoices, *, changed: bool) -> Payment:
    """Days of payment in one of the two worlds."""
    ruin = people.defaults(changed=changed)[made.customer]
    delay = _latent_delay(firm, chance, people, made, ruin, changed=changed)
    runs = _Runs(firm, people.run)
    final, decisions = _ladder(firm, chance, people, made, delay, ruin, runs)
    pay = runs.day(made.customer, made.issue, made.due, final)
    early = made.issue - 1 - chance.integers("advance days", made.key, 0, 2)
    return Payment(np.where(made.advance, np.maximum(early, 0), pay), decisions)


def _latent_delay(
    firm: Firm, chance: Chance, people: Population, made: Invoices, ruin: Ints, *, changed: bool
) -> Floats:
    """Days from the due date to the payment if nobody acts; not above zero when paid in time."""
    grade, habit = people.grade[made.customer], people.habit[made.customer]
    share = np.array([item.late_share for item in firm.grades])[grade]
    mean = np.array([item.mean_delay for item in firm.grades])[grade] * habit
    late = chance.uniform("late", made.key) < 1 - (1 - share) ** habit
    wait = chance.exponential("delay", made.key) ** (1 / _SHAPE) * mean / math.gamma(1 + 1 / _SHAPE)
    prompt = -np.floor(9 * chance.uniform("prompt", made.key) ** 2)
    strain = np.clip(1 - (ruin - made.due) / 180, 0, 1)  # 0 half a year before a default, 1 on its day
    late |= chance.uniform("strain", made.key) < strain
    delay = np.where(late, np.minimum(1 + wait * (1 + 1.5 * strain), LONGEST_DELAY), prompt)
    if changed:
        hit = made.issue >= people.treated[made.customer]
        delay = np.where(hit & (delay > 0), delay * firm.change.delay_factor, delay)
    argued = np.minimum(made.closed, made.opened + 90) + 7 - made.due
    return np.where(made.opened < NEVER, np.maximum(delay, argued), delay)


class _Runs:
    """Payment runs: the day on which a customer's money leaves, given the day on which it means to pay."""

    def __init__(self, firm: Firm, run: Ints) -> None:
        self.run = run
        day = np.arange(-400, firm.days + 1000)
        date = firm.first_day + day
        of_month = (date - date.astype("datetime64[M]")).astype(np.int64) + 1
        on = weekday(firm, day)
        open_days = [
            on < 5,
            *(on == number for number in range(5)),
            (of_month == 10) | (of_month == 25),
            of_month == 25,
        ]
        self.after = np.array([self._next(day, mask) for mask in open_days])
        self.before = np.array([-self._next(-day[::-1], mask[::-1])[::-1] for mask in open_days])

    @staticmethod
    def _next(day: Ints, mask: Bools) -> Ints:
        runs = day[mask]
        return np.append(runs, day[-1])[np.searchsorted(runs, day)]

    def day(self, customer: Ints, issue: Ints, due: Ints, delay: Floats) -> Ints:
        """A late payer pays on the next run, a prompt one on the last run that keeps the term."""
        wanted = np.clip(due + np.rint(delay).astype(np.int64), -400, self.after.shape[1] - 401) + 400
        run = self.run[customer]
        day = np.where(delay > 0, self.after[run, wanted], self.before[run, wanted])
        return np.maximum(day, issue)


def _propensity(firm: Firm, people: Population, made: Invoices, row: Ints, stage: int) -> Floats:
    """Probability of acting. The first step goes to notoriously late customers and large amounts: confounding."""
    if stage > 0:
        return np.full(len(row), 0.85)
    customer = made.customer[row]
    lean = np.log(people.habit[customer]) + 0.15 * (people.grade[customer] - 2)
    size = np.log(made.cents[row] / (100 * firm.demand.mean_order))
    return np.clip(1 / (1 + np.exp(-(firm.collection.confounding * (lean + 0.15 * size) - 0.2))), 0.06, 0.94).round(4)


def _step(delay: Floats, stage: Stage, acted: Bools | bool) -> Floats:
    """Delay after a stage: what is still to come shrinks by the factor where somebody acted."""
    rest = delay - stage.days
    return np.where(acted & (rest > 0), stage.days + rest * stage.factor, delay)


def _ladder(
    firm: Firm, chance: Chance, people: Population, made: Invoices, delay: Floats, ruin: Ints, runs: _Runs
) -> tuple[Floats, Decisions]:
    """Delay after all actions, and every decision with the last payment day of both its branches.

    Disputed items hold the ladder; instalments and advances are not in it.
    """
    ladder = firm.collection.ladder
    eligible = (made.opened == NEVER) & (made.parts == 1) & ~made.advance & ((delay > -5) | (ruin < NEVER))
    row = np.flatnonzero(eligible)
    likely = [_propensity(firm, people, made, row, number) for number in range(len(ladder))]
    acted = [chance.uniform("action", made.key[row], number) < likely[number] for number in range(len(ladder))]

    def last(value: Floats, after: int) -> Ints:
        """Day of the last payment if the stages from `after` on go as drawn."""
        for number in range(after, len(ladder)):
            value = _step(value, ladder[number], acted[number])
        day = runs.day(made.customer[row], made.issue[row], made.due[row], value)
        return np.where(day < ruin[row], day, NEVER)

    current, columns = delay[row], []
    for number, stage in enumerate(ladder):
        day = made.due[row] + stage.days
        here = (last(current, len(ladder)) > day) & (day < firm.days)
        with_it, without = (last(_step(current, stage, done), number + 1) for done in (True, False))
        logged = np.where(acted[number], likely[number], 1 - likely[number])
        arrays = (row, np.full(len(row), number), day, acted[number], logged, with_it, without)
        columns.append([array[here] for array in arrays])
        current = _step(current, stage, acted[number])
    final = delay.copy()
    final[row] = current
    return final, Decisions(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
