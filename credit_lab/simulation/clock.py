"""Payment clocks: the day on which a clock is used up, and how much of it some days burn."""

from credit_lab.compiled import njit
from credit_lab.simulation.records import BORROWING

NEVER = 2**60


@njit(**BORROWING, forceinline=True)
def ends_on(clock, since, due, grade, level, disputed, burn, bands):  # type: ignore[no-untyped-def] # pragma: no cover
    """First day from `since` on which the clock is used up; nothing burns during a dispute (from the due date on)."""
    day, last = since, len(bands) - 1
    band = 0
    while band < last and day - due >= bands[band + 1]:
        band += 1
    while True:
        age = day - due
        if 0 <= age < disputed:
            day = due + disputed
            while band < last and day - due >= bands[band + 1]:
                band += 1
            continue
        stop = NEVER if band == last else due + bands[band + 1]
        if disputed > 0 and age < 0 and stop > due:
            stop = due
        rate = burn[grade, level, band]
        if stop == NEVER:
            return day + (clock + rate - 1) // rate - 1 if rate > 0 else NEVER
        if clock <= rate * (stop - day):
            return day + (clock + rate - 1) // rate - 1
        clock -= rate * (stop - day)
        day = stop
        while band < last and day - due >= bands[band + 1]:
            band += 1


@njit(**BORROWING, forceinline=True)
def burnt(since, until, due, grade, level, disputed, burn, bands):  # type: ignore[no-untyped-def] # pragma: no cover
    """Clock burnt on the days since .. until, both included."""
    total, day, last = 0, since, len(bands) - 1
    band = 0
    while day <= until:
        while band < last and day - due >= bands[band + 1]:
            band += 1
        age = day - due
        if 0 <= age < disputed:
            day = due + disputed
            continue
        stop = until + 1 if band == last else min(due + bands[band + 1], until + 1)
        if disputed > 0 and age < 0 and stop > due:
            stop = due
        total += burn[grade, level, band] * (stop - day)
        day = stop
    return total
