"""The log of the collection ladder, with what only the maker knows about it."""

import numpy as np
import pandas as pd

from credit_lab.synthetic.chance import Chance
from credit_lab.synthetic.customers import NEVER, Population
from credit_lab.synthetic.documents import pick
from credit_lab.synthetic.firm import Firm
from credit_lab.synthetic.names import numbered
from credit_lab.synthetic.settle import Decisions
from credit_lab.synthetic.trade import Invoices


def actions(
    firm: Firm, chance: Chance, people: Population, made: Invoices, taken: Decisions, number: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of actions and their truth.

    A decision not to act is logged as action "none" with the probability of that choice. A promise that is meant
    seriously names a day on or after the payment; others name a day before it, or the customer never pays.
    """
    how = firm.collection
    keep = np.flatnonzero(taken.taken | how.log_none)
    order = keep[np.lexsort((taken.invoice[keep], taken.day[keep]))]
    invoice, stage, day, did = taken.invoice[order], taken.stage[order], taken.day[order], taken.taken[order]
    key, customer = made.key[invoice], made.customer[invoice]
    ladder = pd.DataFrame([{"action": step.action, "cost": step.cost, "factor": step.factor} for step in how.ladder])
    promised = did & (chance.uniform("promise", key, stage) < how.promises)
    serious = chance.uniform("serious", key, stage) < how.kept
    paid = taken.last_with[order]
    wait = chance.integers("promise days", key, 3, 14, counter=stage)
    soon = paid <= day + 45
    until = np.where(serious & soon, paid + wait % 4, day + wait)
    until = np.where(~serious & soon, np.minimum(until, np.maximum(paid - 1, day + 1)), until)
    quiet = np.where(chance.uniform("answer", key, stage) < 0.6, "no_answer", "in_clarification")
    outcome = np.where(promised, "promised", np.where(did, quiet, ""))
    table = pd.DataFrame(
        {
            "action_id": numbered("ACT-", np.arange(1, len(order) + 1), 6),
            "customer_id": pick(people.table["customer_id"], customer),
            "invoice_id": pick(number, invoice),
            "taken_on": firm.dates(day),
            "action": np.where(did, ladder["action"].to_numpy(dtype=str)[stage], "none"),
            "cost": np.where(did, ladder["cost"].to_numpy()[stage], 0.0),
            "outcome": pd.Series(outcome, dtype="str").where(did),
            "promised_on": firm.dates(np.where(promised, until, 0)).where(promised),
            "promised_amount": pd.Series(made.cents[invoice] / 100).where(promised),
            "propensity": taken.propensity[order].round(4),
        }
    )
    without = taken.last_without[order]
    known = (paid < NEVER) & (without < NEVER)
    truth = pd.DataFrame(
        {
            "action_id": table["action_id"],
            "factor": ladder["factor"].to_numpy()[stage],
            "effect_days": pd.array(np.where(known, paid - without, 0), dtype="Int64"),
            "promise_kept": pd.array(paid <= until, dtype="boolean"),
        }
    )
    return table, truth.assign(
        effect_days=truth["effect_days"].where(known), promise_kept=truth["promise_kept"].where(promised)
    )
