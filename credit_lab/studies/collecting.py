"""What happens between delivery and cash, as records for notebooks: cash outlook, early warning,
collectors' desk.
"""

import contextlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from credit_lab import aging, history, knowledge
from credit_lab.collection import (
    ladder,
    letters,
    payment_time,
    response,
    spells,
    worklist,
)
from credit_lab.collection.cells import CollectionError
from credit_lab.errors import CreditLabError
from credit_lab.file_names import inside
from credit_lab.ledger.model import Ledger
from credit_lab.monitoring import alerts, contracts, holds, signals
from credit_lab.policy import Policy, in_currency, money_note
from credit_lab.studies.cash import COLUMNS, OWN
from credit_lab.studies.record import Record


@dataclass(frozen=True)
class EarlyWarning(Record, prefix="warning_"):
    """Alerts of the day, what each rule was worth before, what contracts and holds show.

    Attributes
    ----------
    now : alerts that began in the last month
    rules, leads : backtest of each rule, see `alerts.Backtest`
    costs : cost of thresholds of the rule with the highest recall
    contracts : check, findings, amount; `findings` the rows
    holds : the policy's hold rules on the orders of the last twelve months, beside a strict and a
        lenient variant
    absent : signal, reason: what could not be watched
    """

    as_of: pd.Timestamp
    now: pd.DataFrame
    rules: pd.DataFrame
    leads: pd.DataFrame
    costs: pd.DataFrame
    contracts: pd.DataFrame
    findings: pd.DataFrame
    holds: pd.DataFrame
    absent: pd.DataFrame


def early_warning(
    ledger: Ledger, policy: Policy, as_of: pd.Timestamp, *, horizon_days: int = 365
) -> EarlyWarning:
    """Watch every customer at `as_of` by the policy's rules and the ready-made ones that this
    ledger can feed.
    """
    policy = in_currency(policy, ledger.currency)
    past = history.build(ledger, as_of, policy=policy)
    now, fired, rules, watched = begun(ledger, policy, past)
    absent = watched.absent | _not_known(policy)
    events = alerts.defaults(watched.table)
    tested = alerts.backtest(watched.table, rules, events, horizon_days=horizon_days)
    singles = tested.rules[(tested.rules["rule"] != "any of them") & (tested.rules["true"] > 0)]
    costs = pd.DataFrame()
    if len(singles):
        name = singles.sort_values("recall", ascending=False)["rule"].iloc[0]
        rule = next(rule for rule in rules if rule.name == name)
        values = watched.table[rule.indicator].dropna()
        tried = np.unique(values.quantile(np.linspace(0.02, 0.98, 13)).to_numpy())
        costs = alerts.cost_curve(
            watched.table, rule, events, tried, horizon_days=horizon_days
        ).assign(rule=name)
    start = as_of - pd.DateOffset(months=12) + pd.Timedelta(days=1)
    findings = contracts.check(ledger, start, as_of, rules=contracts.Rules.of(policy))
    made = findings[findings["check"] != "not_checked"]
    counted = made.groupby("check", as_index=False).agg(
        findings=("check", "size"), amount=("amount", "sum")
    )
    return EarlyWarning(
        as_of,
        now,
        tested.rules,
        tested.leads,
        costs,
        counted,
        findings,
        _holds(ledger, policy, start, as_of, fired),
        pd.DataFrame(sorted(absent.items()), columns=["signal", "reason"]),
    )


def begun(
    ledger: Ledger, policy: Policy, past: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[alerts.Rule, ...], signals.Signals]:
    """Alerts of the last month with any, of all months, the rules watched by, and their signals.

    Parameters
    ----------
    past : of `history.build`
    """
    watched = signals.build(ledger, past, tax_rate=policy.economics.tax_rate)
    ready = (rule for rule in alerts.READY_MADE if rule.indicator not in watched.absent)
    rules = (*alerts.from_policy(policy), *ready)
    fired = alerts.fire(watched.table, rules)
    now = fired[fired["month"] == fired["month"].max()].reset_index(drop=True)
    return now, fired, rules, watched


def _not_known(policy: Policy) -> dict[str, str]:
    """Alert rules and holds that read an amount not known in the ledger's currency: what, why."""
    if not policy.not_known:
        return {}
    names = [
        f"{rule.indicator} by the policy" for rule in policy.monitoring.alerts if not rule.known
    ]
    return dict.fromkeys([*names, "holds by the policy"], policy.not_known)


def _holds(
    ledger: Ledger, policy: Policy, start: pd.Timestamp, end: pd.Timestamp, fired: pd.DataFrame
) -> pd.DataFrame:
    days = policy.holds.overdue_days
    variants = {
        "policy": policy,
        f"strict: {max(days // 2, 1)} days past due": holds.with_holds(
            policy, overdue_days=max(days // 2, 1)
        ),
        f"lenient: {2 * days} days past due": holds.with_holds(policy, overdue_days=2 * days),
    }
    try:
        return holds.compare(ledger, variants, start, end, alerts=fired)
    except CreditLabError:  # no orders in these twelve months
        return pd.DataFrame()


# Minutes of a contact, and its effect where nobody measured it; a measured effect takes the place
# of the factor.
ASSUMED = {
    "reminder": (3.0, 1.15),
    "negotiation": (15.0, 1.35),
    "demand_letter": (25.0, 1.5),
    "legal": (90.0, 1.8),
}
SOURCE = "rule of thumb of this package, to be replaced by a measured effect"


@dataclass(frozen=True)
class Desk:
    """What collectors do today.

    Attributes
    ----------
    run : the ladder's run, see `ladder.Run`
    rows, orderings : the worklist, and how much the same minutes bring in other orders
    effect : what the ledger's own log says about reminders; empty where it does not log decisions
    sources : sentences about the effects used
    """

    run: ladder.Run
    rows: pd.DataFrame
    orderings: pd.DataFrame
    effect: pd.DataFrame
    sources: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        return {
            "desk_letters": self.run.letters,
            "desk_lines": self.run.lines,
            "desk_waiting": self.run.waiting,
            "desk_warnings": self.run.warnings,
            "desk_worklist": self.rows,
            "desk_orderings": self.orderings,
            "desk_effect": self.effect,
        }


def desk(
    ledger: Ledger,
    policy: Policy,
    as_of: pd.Timestamp,
    *,
    minutes: float = 480.0,
    horizon: int = 30,
) -> Desk:
    """Run the ladder at `as_of` and rank its contacts by cash gained per minute.

    Parameters
    ----------
    minutes : collectors' minutes of the day
    horizon : days within which cash counts

    Raises
    ------
    CollectionError
        Nothing is open, or nothing is due by the ladder.
    NotKnown
        The ledger cannot say what is overdue.
    """
    ledger = ledger.known_by(as_of)
    told = knowledge.of(ledger, policy, as_of)
    told.need("what is overdue is", *knowledge.AGES)
    policy = in_currency(policy, ledger.currency)
    items = aging.open_items(ledger, as_of)
    known = ledger.tables
    made = ladder.run(
        items,
        policy,
        as_of,
        currency=ledger.currency,
        actions=known.get("actions"),
        disputes=known.get("disputes"),
        options=ladder.Options(interest=ladder.Interest(per_year=365 * policy.terms.late_interest)),
    )
    past = spells.build(ledger, as_of)
    model = None if told.why("settled") else payment_time.fit(past.table, COLUMNS, own=OWN)
    keys = ["invoice_id", "part"]
    lines = made.lines.rename(columns={"document_id": "invoice_id"})
    rows = past.open_rows.drop(columns=["open_amount"], errors="ignore").merge(
        lines[[*keys, "days", "open_amount", "action"]], on=keys
    )
    if rows.empty:
        raise CollectionError(f"{ledger.source}: the ladder has nothing to do at {as_of.date()}")
    effect = _measured(ledger, as_of)
    curves = model.curves(rows, horizon=90) if model else None
    reminded = (rows["action"] == "reminder").to_numpy()
    contacts = _contacts(policy, effect, curves.paid_by[reminded] if curves else np.array([]))
    listed = worklist.build(
        rows[["customer_id", "open_amount", "days", "action"]],
        curves,
        contacts,
        minutes=minutes,
        currency=ledger.currency,
        horizon=horizon,
    )
    return Desk(made, listed.rows, listed.orderings, effect, (*listed.sources, *money_note(policy)))


def letters_to(made: Desk, ledger: Ledger, sender: str, language: str) -> dict[str, bytes]:
    """A letter to each customer the worklist has chosen: name of its file → DOCX.

    Parameters
    ----------
    made : what `desk` gave for this ledger
    ledger : names the customers; without names their ids are written
    sender : firm that writes
    language : en or zh

    Raises
    ------
    CollectionError
        An id that cannot be the name of a file.
    """
    known = ledger.customers.set_index("customer_id")
    names = known["name"].dropna() if "name" in known else pd.Series(dtype="str")
    chosen = made.rows.loc[made.rows["chosen"], "customer_id"]
    return {
        inside(f"{customer}.docx", "letter", CollectionError): letters.render_docx(
            made.run,
            customer,
            letters.Sender(sender),
            currency=ledger.currency,
            language=language,
            name=names.get(customer, ""),
        )
        for customer in chosen
    }


def _measured(ledger: Ledger, as_of: pd.Timestamp) -> pd.DataFrame:
    """Effect of a reminder where the ledger logs the probability of each decision."""
    try:
        return response.effect(response.decisions(ledger, "reminder", as_of))
    except CreditLabError:
        return pd.DataFrame()


def _contacts(
    policy: Policy, effect: pd.DataFrame, reminded: np.ndarray
) -> dict[str, worklist.Contact]:
    """Contacts at the policy's costs with assumed effects; that of a reminder as measured, where
    the ledger allows.
    """
    found = {}
    costs: dict[str, float] = {stage.action: stage.amount("cost") for stage in policy.ladder.stages}
    for action, (minutes, factor) in ASSUMED.items():
        assumed = response.Assumption(action, factor, 1.0, 2 * factor - 1, SOURCE)
        if action == "reminder" and len(effect) and len(reminded):
            with contextlib.suppress(CollectionError):  # an effect beyond what today's curves allow
                assumed = response.measured(effect, action, reminded)
        found[action] = worklist.Contact(action, minutes, costs.get(action, 0.0), assumed)
    return found
