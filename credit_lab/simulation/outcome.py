"""What came out of a simulation, and how sure that is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from credit_lab import labels, summary
from credit_lab.kpi.formulas import countback
from credit_lab.progress import Progress
from credit_lab.simulation import records
from credit_lab.simulation.regime import Regime
from credit_lab.simulation.run import Span, many
from credit_lab.simulation.world import SimulationError, World

Floats = npt.NDArray[np.float64]
AT = {name: k for k, name in enumerate(records.MEASURES)}
CASH_IN = ("collected", "recovered", "claims", "advanced")
CASH_OUT = ("repaid", "premium", "factoring_cost", "collection_cost")
# What a record shows of itself.
HEADLINE = {
    "sales": "{:,.0f}", "turnover": "{:.2f}", "dso": "{:.1f}", "bad_debt_expected": "{:.2%}", "profit": "{:,.0f}",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """One policy in one world, many replicates; money in currency units.

    Attributes
    ----------
    name : of the rules
    monthly : replicate, month, and per month what `records.MEASURES` names: opening, ordered, sales, refused_limit,
        refused_hold, lost (orders of customers who left), collected, recovered, credited (discounts), written_off,
        aged_off (net, for age alone), vintage_lost (written off since, of this month's invoices), claims, premium,
        factoring_cost, advanced, repaid and borne (by the factor), collection_cost, actions, open, overdue, open_days
        (money × days), defaulted (open when the customer failed); also expected_loss (hazard-weighted, after cover),
        own_days (open_days less what a factor has advanced) and cash (all that came in less all that went out)
    totals : replicate, and over the reported months: sales, refused_share (of orders; with those lost since), lost,
        collected, cash, bad_debt (write-offs less claims and what a factor bears, over sales), bad_debt_vintage
        (written off so far of the invoices of these months, over their sales), bad_debt_expected (hazard-weighted
        loss and write-offs for age, after cover, over sales), turnover (yearly sales over mean balance), dso (mean
        open balance over daily sales), dso_period_end, dso_countback, overdue_share, collection_cost, margin,
        funding_cost, profit (margin less discounts, expected losses, collection, transfer and funding: risk-adjusted,
        since losses weigh by their probability), profit_realised (with the losses that happened)
    segments : by grade, industry and region where known: segment columns, sales, bad_debt_expected, turnover
    assumptions : sentences on what a ledger cannot say
    """

    name: str
    monthly: pd.DataFrame
    totals: pd.DataFrame
    segments: pd.DataFrame
    assumptions: tuple[str, ...]

    def interval(self, level: float = 0.8) -> pd.DataFrame:
        """measure, mean, standard_error (Monte Carlo), low and high (quantiles over replicates)."""
        values = self.totals.drop(columns="replicate")
        tail = (1 - level) / 2
        return pd.DataFrame(
            {
                "measure": values.columns, "mean": values.mean().to_numpy(),
                "standard_error": (values.std(ddof=1) / np.sqrt(len(values))).to_numpy(),
                "low": values.quantile(tail).to_numpy(), "high": values.quantile(1 - tail).to_numpy(),
            }
        )  # fmt: skip

    def _repr_html_(self) -> str:
        table = self.interval().set_index("measure")
        lines: dict[str, object] = {"replicates": len(self.totals), "of them 80 % lie within": ""}
        for name, kind in HEADLINE.items():
            lines[labels.value(name, "measure", "en")] = kind.format(table.loc[name, "mean"]) + " ({} to {})".format(
                *(kind.format(table.loc[name, end]) for end in ("low", "high"))
            )
        return summary.card(f"Outcome of {self.name}", lines)


def simulate(
    world: World | list[World],
    rules: Regime,
    span: Span,
    *,
    seed: int,
    replicates: int,
    first: int = 0,
    jobs: int = 1,
    assumptions: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Outcome:
    """Run a policy in a world.

    Parameters
    ----------
    seed : same seed, same world; give two policies the same one
    progress : called with (replicates done, of how many); `credit_lab.progress.bar` draws it
    """
    found, expected = many(
        world, rules, span, seed=seed, replicates=replicates, first=first, jobs=jobs, progress=progress
    )
    one = world if isinstance(world, World) else world[0]
    _, ends, before = span.months()
    sums = found.sum(axis=2).astype(float)
    minor = one.customers.minor
    money = sums / minor
    money[:, :, AT["actions"]] = sums[:, :, AT["actions"]]
    index = pd.MultiIndex.from_product([range(first, first + replicates), ends], names=["replicate", "month"])
    monthly = pd.DataFrame(money.reshape(-1, len(records.MEASURES)), index=index, columns=list(records.MEASURES))
    by_month = expected.sum(axis=2).reshape(-1, expected.shape[-1]) / minor
    monthly["expected_loss"], monthly["own_days"] = by_month[:, records.EXPECTED], by_month[:, records.OWN_DAYS]
    monthly["cash"] = monthly[list(CASH_IN)].sum(axis=1) - monthly[list(CASH_OUT)].sum(axis=1)
    monthly = monthly.reset_index()
    monthly = monthly[monthly["month"] >= ends[before]].reset_index(drop=True)
    totals = _totals(monthly, rules, span)
    segments = _segments(one, found[:, before:], expected[:, before:], span)
    return Outcome(rules.name, monthly, totals, segments, assumptions)


def _totals(monthly: pd.DataFrame, rules: Regime, span: Span) -> pd.DataFrame:
    by = monthly.groupby("replicate")
    total = by.sum(numeric_only=True)
    mean_open = total["open_days"] / span.days
    sales = total["sales"].where(total["sales"] > 0)
    lost = total["written_off"] - total["claims"] - total["borne"]
    expected = total["expected_loss"] + total["aged_off"]
    table = pd.DataFrame(
        {
            "sales": total["sales"],
            "refused_share": 1 - total["sales"] / total["ordered"].where(total["ordered"] > 0),
            "lost": total["lost"],
            "collected": total["collected"] + total["recovered"],
            "cash": total["cash"],
            "bad_debt": lost / sales,
            "bad_debt_vintage": total["vintage_lost"] / sales,
            "bad_debt_expected": expected / sales,
            "turnover": sales * 365 / span.days / mean_open.where(mean_open > 0),
            "dso": mean_open / (sales / span.days),
            "dso_period_end": by["open"].last() / (sales / span.days),
            "dso_countback": _countback(monthly, span),
            "overdue_share": by["overdue"].mean() / by["open"].mean().where(by["open"].mean() > 0),
            "collection_cost": total["collection_cost"],
            "margin": rules.margin * total["sales"],
            "funding_cost": rules.capital_cost * total["own_days"] / 365,
        }
    )
    before = (
        table["margin"] - total["credited"] - total["collection_cost"] - total["premium"] - total["factoring_cost"]
        - table["funding_cost"]
    )  # fmt: skip
    return table.assign(profit=before - expected, profit_realised=before - lost).reset_index()


def _countback(monthly: pd.DataFrame, span: Span) -> pd.Series:
    """`dso.countback` at the end of the last month, of each replicate."""
    ends = pd.DatetimeIndex(monthly["month"].unique())
    last = span.start + pd.Timedelta(days=span.days - 1)
    first = ends[0].replace(day=1) if ends[0].replace(day=1) >= span.start else span.start
    edges = pd.DatetimeIndex([first - pd.Timedelta(days=1), *ends[:-1], last])
    days = np.diff(edges) / pd.Timedelta(days=1)
    found = {k: countback(part["open"].iloc[-1], part["sales"], days) for k, part in monthly.groupby("replicate")}
    return pd.Series(found).rename_axis("replicate")


def _segments(world: World, found: npt.NDArray[np.int64], expected: Floats, span: Span) -> pd.DataFrame:
    minor = world.customers.minor
    mean = found.sum(axis=1).mean(axis=0) / minor
    loss = expected[..., records.EXPECTED].sum(axis=1).mean(axis=0) / minor + mean[:, AT["aged_off"]]
    sales = mean[:, AT["sales"]]
    owed = mean[:, AT["open_days"]] / span.days
    with np.errstate(divide="ignore", invalid="ignore"):
        return world.customers.segments.assign(
            sales=sales, ordered=mean[:, AT["ordered"]], open=owed,
            bad_debt_expected=np.where(sales > 0, loss / sales, np.nan),
            turnover=np.where(owed > 0, sales * 365 / span.days / owed, np.nan),
        )  # fmt: skip


def by_segment(outcome: Outcome, column: str) -> pd.DataFrame:
    """Segments added up by one of their columns: sales, refused_share, bad_debt_expected, turnover."""
    if column not in outcome.segments:
        raise SimulationError(f"outcome: no segment column {column!r}; there are {', '.join(outcome.segments)}")
    rows = outcome.segments.assign(loss=lambda t: t["bad_debt_expected"].fillna(0) * t["sales"])
    total = rows.groupby(column, as_index=False)[["sales", "ordered", "open", "loss"]].sum()
    return pd.DataFrame(
        {
            column: total[column], "sales": total["sales"],
            "refused_share": 1 - total["sales"] / total["ordered"].where(total["ordered"] > 0),
            "bad_debt_expected": total["loss"] / total["sales"].where(total["sales"] > 0),
            "turnover": total["sales"] / total["open"].where(total["open"] > 0),
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Policy b against policy a in the same world.

    Attributes
    ----------
    table : measure, a, b, difference, standard_error (Monte Carlo, paired), low, high (95 % of the mean difference),
        range_low, range_high (80 % of worlds), against_independent (variance of independent runs over that of paired
        ones: how much the common world saves), replicates_for_1_percent (of a)
    replicates : run
    """

    table: pd.DataFrame
    replicates: int

    def _repr_html_(self) -> str:
        table = self.table.set_index("measure")
        lines: dict[str, object] = {"replicates": self.replicates, "mean difference, 95 %": ""}
        for name, kind in HEADLINE.items():
            signed = kind.replace("{:", "{:+")
            low, high = (signed.format(table.loc[name, end]) for end in ("low", "high"))
            change = signed.format(table.loc[name, "difference"])
            lines[labels.value(name, "measure", "en")] = f"{change} ({low} to {high})"
        return summary.card("Comparison, second policy less first", lines)


def compare(a: Outcome, b: Outcome) -> Comparison:
    """Paired differences.

    Raises
    ------
    SimulationError
        Other replicates on the two sides.
    """
    if a.totals["replicate"].tolist() != b.totals["replicate"].tolist():
        raise SimulationError("compare: both outcomes must hold the same replicates (same seed, first and number)")
    rows: list[tuple[object, ...]] = []
    for name in a.totals.columns.drop("replicate"):
        defined = (a.totals[name].notna() & b.totals[name].notna()).to_numpy()  # nothing sold: no share of sales
        x, y, count = a.totals[name].to_numpy()[defined], b.totals[name].to_numpy()[defined], int(defined.sum())
        if count == 0:
            rows.append((name, a.totals[name].mean(), b.totals[name].mean(), *[np.nan] * 8))
            continue
        gap = y - x
        spread = gap.std(ddof=1) if count > 1 else np.nan
        error = spread / np.sqrt(count)
        apart = x.var(ddof=1) + y.var(ddof=1) if count > 1 else np.nan
        wanted = 0.01 * abs(x.mean())
        needed = np.ceil((1.96 * spread / wanted) ** 2) if wanted > 0 and np.isfinite(spread) else np.nan
        rows.append(
            (name, x.mean(), y.mean(), gap.mean(), error, gap.mean() - 1.96 * error, gap.mean() + 1.96 * error,
             *np.quantile(gap, [0.1, 0.9]), apart / spread**2 if spread > 0 else np.inf, needed)
        )  # fmt: skip
    columns = ["measure", "a", "b", "difference", "standard_error", "low", "high", "range_low", "range_high",
               "against_independent", "replicates_for_1_percent"]  # fmt: skip
    return Comparison(pd.DataFrame(rows, columns=columns), len(a.totals))
