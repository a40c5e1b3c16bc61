"""The collection ladder (分级催收): who gets which letter today, what waits and why.

Stages come from the policy in order of days past due. An item moves up one stage at a time from the last one taken on
it, however old it is; what it would have reached is written beside. A customer gets one letter for all its due items,
at the highest of their stages. Disputed items and items under a running promise wait; so do customers below the
minimum amount, net of unapplied cash and credit notes. Interest is per annum on the days past due so far, not per run.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import money
from credit_lab.collection.cells import CollectionError
from credit_lab.ids import looked_up
from credit_lab.periods import takes_days
from credit_lab.policy import Policy, in_currency
from credit_lab.policy.sections import Stage
from credit_lab.rules import ladder as rules

# Settings it reads, see `rules.coverage`.
READS = (
    "ladder.*",
    "terms.late_interest",
)

PRE_DUE = "pre_due_notice"
INTERRUPTING = ("demand_letter", "legal")  # 诉讼时效中断 (Civil Code art. 195): a demand, a suit, an acknowledgement


@dataclass(frozen=True)
class Interest:
    """Late interest: rate per year, days of a year (365 or 360), days of grace without interest."""

    per_year: float = 0.0
    year_days: int = 365
    grace_days: int = 0

    def of(self, amount: pd.Series, days: pd.Series, currency: str) -> np.ndarray:
        """amount × rate × days / year, to the minor unit; credit notes and items not late bear none.

        >>> Interest(0.1825).of(pd.Series([1000.0]), pd.Series([20]), "CNY").tolist()  # 0.05 % a day
        [10.0]
        """
        late = np.maximum(days.to_numpy(dtype=float) - self.grace_days, 0)
        minor = money.to_minor(amount.clip(lower=0), currency) * self.per_year * late / self.year_days
        return money.from_minor(np.rint(minor), currency)


@dataclass(frozen=True)
class Options:
    """How the ladder is run.

    skip_on_first_run : whether items nobody ever chased may start at the stage of their age (the policy must say so)
    pause_days : least days between two letters to one customer
    limitation_years : limitation period (诉讼时效, Civil Code art. 188: three years)
    warn_days : warn when fewer days are left
    """

    skip_on_first_run: bool = False
    pause_days: int = 7
    limitation_years: int = 3
    warn_days: int = 180
    interest: Interest = Interest()


@dataclass(frozen=True)
class Run:
    """One run of the ladder.

    letters : customer_id, level, action, channel, owner, cost, items, amount, interest, oldest_days; one per customer
    lines : the items in the letters: customer_id, document_id, part, due_date, days, open_amount, last_level, reached,
        level, action (of its own stage), interest, limitation_on, limitation_days, note (says when a stage was not
        skipped, or a promise broken)
    waiting : customer_id, document_id, open_amount, reason (disputed, promise running, below the minimum, too soon,
        not due, before the first stage, stage not due again)
    warnings : table, id, text: what is wrong in the logs, limitation running out
    as_of : day of the run; interest : the rate used
    """

    letters: pd.DataFrame
    lines: pd.DataFrame
    waiting: pd.DataFrame
    warnings: pd.DataFrame
    as_of: pd.Timestamp
    interest: Interest

    def actions(self) -> pd.DataFrame:
        """Rows for the table `actions`: one per item in a letter, the cost on the first line of each letter.

        Each item is logged at its own stage, even where the letter speaks for an older item's: none is skipped.
        """
        rows = self.lines.merge(self.letters[["customer_id", "cost"]], on="customer_id")
        first = ~rows["customer_id"].duplicated()
        return pd.DataFrame(
            {
                "action_id": [f"LAD-{self.as_of:%Y%m%d}-{k + 1:05d}" for k in range(len(rows))],
                "customer_id": rows["customer_id"],
                "invoice_id": rows["document_id"],
                "taken_on": self.as_of,
                "action": rows["action"],
                "cost": rows["cost"].where(first, 0.0),
            }
        )


@takes_days
def run(
    items: pd.DataFrame,
    policy: Policy,
    as_of: pd.Timestamp,
    *,
    currency: str,
    actions: pd.DataFrame | None = None,
    disputes: pd.DataFrame | None = None,
    options: Options | None = None,
) -> Run:
    """Run the ladder over the open items of a day.

    Where the policy's amounts are not known in `currency`, nobody who owes anything net of cash and
    credit notes is below the minimum, and letters have no cost (NaN).

    Parameters
    ----------
    items : from `aging.open_items(ledger, as_of)`: kind, document_id, part, customer_id, due_date, days, open_amount
    actions, disputes : the ledger's tables, where there are some

    Raises
    ------
    CollectionError
        Items lack a column, or an action is dated after `as_of` promises before it was taken (see `check_actions`).
    """
    options = options or Options()
    missing = [
        name
        for name in ("kind", "document_id", "part", "customer_id", "due_date", "days", "open_amount")
        if name not in items
    ]
    if missing:
        raise CollectionError(f"ladder: items lack {', '.join(missing)}; use aging.open_items")
    policy = in_currency(policy, currency)
    stages = policy.ladder.stages
    settings = rules.ladder(policy, 10.0 ** money.minor_digits(currency))
    log = _known(actions, as_of)
    warnings = check_actions(log, items)
    open_invoices = items[(items["kind"] == "invoice") & (items["open_amount"] > 0)].reset_index(drop=True)
    rows = _levels(open_invoices, stages, settings, log, options)
    rows = rows.assign(
        interest=options.interest.of(rows["open_amount"], rows["days"], currency),
        **_limitation(rows, log, as_of, options),
    )
    reason = _reasons(rows, items, settings, log, disputes, as_of, options, currency)
    soon = (rows["limitation_days"] < options.warn_days) & (rows["days"] > 0)
    text = rows["limitation_days"].astype(int).astype(str) + " days until the claim is time-barred"
    alarm = pd.DataFrame({"table": "items", "id": rows["document_id"], "text": text})[soon]
    names = {rules.NOTICE: PRE_DUE, **{k + 1: stage.action for k, stage in enumerate(stages)}}
    rows = rows.assign(action=rows["level"].map(names))
    keep = [
        "customer_id", "document_id", "part", "due_date", "days", "open_amount", "last_level", "reached", "level",
        "action", "interest", "limitation_on", "limitation_days", "note",
    ]  # fmt: skip
    lines = rows.loc[reason == "", keep].sort_values(["customer_id", "due_date", "document_id", "part"])
    waiting = rows.loc[reason != "", ["customer_id", "document_id", "open_amount"]].assign(reason=reason[reason != ""])
    return Run(
        _letters(lines, stages),
        lines.reset_index(drop=True),
        waiting.reset_index(drop=True),
        pd.concat([warnings, alarm], ignore_index=True),
        as_of,
        options.interest,
    )


def _known(actions: pd.DataFrame | None, as_of: pd.Timestamp) -> pd.DataFrame:
    columns = ["action_id", "customer_id", "invoice_id", "taken_on", "action", "promised_on", "promised_amount"]
    if actions is None:
        actions = pd.DataFrame({name: pd.Series(dtype="str") for name in columns})
        actions = actions.assign(taken_on=pd.to_datetime(actions["taken_on"]))
    for name in columns:
        if name not in actions:
            actions = actions.assign(**{name: pd.NA})
    known = actions[actions["taken_on"] <= as_of]
    return known.assign(promised_on=pd.to_datetime(known["promised_on"]))[columns].reset_index(drop=True)


def check_actions(log: pd.DataFrame, items: pd.DataFrame, settled: pd.DataFrame | None = None) -> pd.DataFrame:
    """What is wrong in a log of actions: table, id, text.

    Promises for a day before they were given; with `settled` (invoice_id, settled_on; see `kpi.settlement`) also
    actions taken on invoices already paid; actions of another customer than the invoice's.
    """
    rows = []
    backward = log["promised_on"] < log["taken_on"]
    for row in log[backward].itertuples():
        rows.append(
            (
                "actions",
                row.action_id,
                f"promised for {row.promised_on:%Y-%m-%d}, before the day of the promise; ignored",
            )
        )
    owner = looked_up(log["invoice_id"], items.drop_duplicates("document_id").set_index("document_id")["customer_id"])
    for row in log[owner.notna() & (owner != log["customer_id"])].itertuples():
        rows.append(("actions", row.action_id, f"invoice {row.invoice_id} belongs to another customer"))
    if settled is not None:
        paid = looked_up(log["invoice_id"], settled.set_index("invoice_id")["settled_on"])
        for row in log.assign(paid=paid)[paid < log["taken_on"]].itertuples():
            rows.append(("actions", row.action_id, f"taken on {row.invoice_id}, paid on {row.paid:%Y-%m-%d}"))
    return pd.DataFrame(rows, columns=["table", "id", "text"], dtype="str")


def _levels(
    rows: pd.DataFrame,
    stages: tuple[Stage, ...],
    settings: rules.Ladder,
    log: pd.DataFrame,
    options: Options,
) -> pd.DataFrame:
    """Stage reached by age, last one taken, and the one that is next (`rules.ladder`)."""
    number = pd.Series({stage.action: k + 1.0 for k, stage in enumerate(stages)}, dtype="float64")
    taken = log.assign(level=looked_up(log["action"], number)).dropna(subset=["level"])
    by_item = taken[taken["invoice_id"].notna()].groupby("invoice_id")["level"].max()
    last = looked_up(rows["document_id"], by_item).fillna(0).astype(int).to_numpy()
    # An action on the whole account lifts every item that was overdue then.
    for row in taken[taken["invoice_id"].isna()].itertuples():
        mine = (rows["customer_id"] == row.customer_id) & (rows["due_date"] < row.taken_on)
        last = np.where(mine, np.maximum(last, int(row.level)), last)
    days = rows["days"].to_numpy()
    reached = rules.stage_by_age(settings, days)
    level = rules.next_stage(reached, last, days, options.skip_on_first_run)
    age, following = pd.Series(reached).astype(str), pd.Series(level).astype(str)
    first = "by age at stage " + age + ", stage " + following + " comes first"
    skipped = "earlier stages skipped as the policy allows on a first run"
    note = np.where(level < reached, first, np.where((level > last + 1) & (level > 0), skipped, ""))
    return rows.assign(reached=reached, last_level=last, level=level, note=note)


def _limitation(rows: pd.DataFrame, log: pd.DataFrame, as_of: pd.Timestamp, options: Options) -> dict[str, pd.Series]:
    """Last day of the limitation period: from the due date, again from each demand, suit or promise."""
    stops = log[log["action"].isin(INTERRUPTING) | log["promised_on"].notna()]
    by_item = stops[stops["invoice_id"].notna()].groupby("invoice_id")["taken_on"].max()
    on_account = stops[stops["invoice_id"].isna()].groupby("customer_id")["taken_on"].max()
    start = rows["due_date"].astype("datetime64[us]")
    for key, latest in (("document_id", by_item), ("customer_id", on_account)):
        again = looked_up(rows[key], latest)
        start = start.where(again.isna() | (again < start), again)
    until = start + pd.DateOffset(years=options.limitation_years)
    return {"limitation_on": until, "limitation_days": (until - as_of).dt.days}


def _reasons(
    rows: pd.DataFrame,
    items: pd.DataFrame,
    settings: rules.Ladder,
    log: pd.DataFrame,
    disputes: pd.DataFrame | None,
    as_of: pd.Timestamp,
    options: Options,
    currency: str,
) -> pd.Series:
    """Why an item waits; empty where it goes into a letter. The note of a broken promise is written into `rows`."""
    reason = pd.Series("", index=rows.index, dtype=object)
    reason[rows["level"] == 0] = "not due"
    reason[(rows["level"] == 0) & (rows["days"] > 0)] = "before the first stage"
    if settings.hold_disputed and disputes is not None and len(disputes):
        running = disputes[(disputes["opened_on"] <= as_of)]
        running = running[running["closed_on"].isna() | (running["closed_on"] > as_of)]
        reason[(reason == "") & rows["document_id"].isin(running["invoice_id"])] = "disputed"
    promises = log[log["promised_on"].notna() & (log["promised_on"] >= log["taken_on"])]
    last = promises.sort_values("taken_on", kind="stable").drop_duplicates(["customer_id", "invoice_id"], keep="last")
    running = last[last["promised_on"] >= as_of]
    held = rows["document_id"].isin(running["invoice_id"].dropna()) | rows["customer_id"].isin(
        running.loc[running["invoice_id"].isna(), "customer_id"]
    )
    reason[(reason == "") & held] = "promise running"
    broken = rows["document_id"].isin(last.loc[last["promised_on"] < as_of, "invoice_id"].dropna())
    rows["note"] = np.where(broken & (rows["note"] == ""), "promise broken", rows["note"])
    reason[(reason == "") & ~_due_again(rows, settings, log, as_of)] = "stage not due again"
    # A letter goes out when anything in it is due; then it lists every due item that is not held.
    writes = rows[(reason == "")].groupby("customer_id").size().index
    again = (reason == "stage not due again") & rows["customer_id"].isin(writes) & (rows["days"] > 0)
    reason[again] = ""
    recent = log[log["action"] != "none"].groupby("customer_id")["taken_on"].max()
    since = (as_of - looked_up(rows["customer_id"], recent)).dt.days
    reason[(reason == "") & (since < options.pause_days)] = "too soon"
    return _below_minimum(rows, items, reason, settings, currency)


def _due_again(
    rows: pd.DataFrame,
    settings: rules.Ladder,
    log: pd.DataFrame,
    as_of: pd.Timestamp,
) -> pd.Series:
    """Whether the next stage of each item is due, by what was last done about the item."""
    taken = log[log["invoice_id"].notna() & (log["action"] != "none")]
    latest = looked_up(rows["document_id"], taken.groupby("invoice_id")["taken_on"].max())
    level = rows["level"].to_numpy()
    repeat = np.r_[0, settings.repeat_days][np.maximum(level, 0)]
    since = (as_of - latest).dt.days.astype(float).to_numpy()
    due = rules.due_again(level, rows["last_level"].to_numpy(), since, repeat)
    return pd.Series(due, index=rows.index)


def _below_minimum(
    rows: pd.DataFrame,
    items: pd.DataFrame,
    reason: pd.Series,
    settings: rules.Ladder,
    currency: str,
) -> pd.Series:
    """Customers whose due items, net of credit notes and unapplied cash, lie below the minimum wait."""
    due = rows[(reason == "") & (rows["level"] > 0)]
    owed = pd.Series(money.to_minor(due["open_amount"], currency), index=due.index).groupby(due["customer_id"]).sum()
    credit = items[items["kind"] != "invoice"]
    have = pd.Series(money.to_minor(credit["open_amount"], currency), index=credit.index)
    net = owed.add(have.groupby(credit["customer_id"]).sum(), fill_value=0).reindex(owed.index)
    small = net[rules.too_small(settings, net)].index
    reason[(reason == "") & (rows["level"] > 0) & rows["customer_id"].isin(small)] = "below the minimum"
    return reason


def _letters(lines: pd.DataFrame, stages: tuple[Stage, ...]) -> pd.DataFrame:
    """One letter per customer at the highest level of its items; notices only where nothing is due."""
    top = lines.groupby("customer_id")["level"].transform("max")
    listed = lines[(lines["level"] > 0) | (top < 0)]
    rows = []
    for customer, part in listed.groupby("customer_id", sort=True):
        level = int(part["level"].max())
        stage = stages[level - 1] if level > 0 else None
        rows.append(
            {
                "customer_id": customer,
                "level": level,
                "action": stage.action if stage else PRE_DUE,
                "channel": stage.channel if stage else "e-mail",
                "owner": stage.owner if stage else "collector",
                "cost": stage.amount("cost") if stage else 0.0,
                "items": len(part),
                "amount": money.total(part["open_amount"]),
                "interest": money.total(part["interest"]),
                "oldest_days": int(part["days"].max()),
            }
        )
    names = ["customer_id", "level", "action", "channel", "owner", "cost", "items", "amount", "interest", "oldest_days"]
    return pd.DataFrame(rows, columns=names)
