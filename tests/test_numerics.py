"""Where numbers break: huge sums and amounts, odd calendars, data without information; and other programs' figures.

`python -m tests.test_numerics` prints the table of tolerances of docs/governance.md.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from credit_lab import aging, kpi, ledger, money, studies, summary
from credit_lab import policy as policies
from credit_lab.errors import CreditLabError, LedgerError
from credit_lab.financials import ratios
from credit_lab.publish import markup, show
from credit_lab.scoring import Binner, fit, validate
from tests.conftest import ROOT
from tests.ledgers import allocation, invoice, payment

KNOWN = json.loads((Path(__file__).parent / "references" / "numerics_reference.json").read_text(encoding="utf-8"))
HUGE = 9_999_999_999_999.99  # 10^15 - 1 minor units


def folder_of(folder, **tables):
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_ten_million_amounts_add_up_to_the_cent():
    rng = np.random.default_rng(1)
    minor = rng.integers(-(10**9), 10**10, 10_000_000)
    units = pd.Series(money.from_minor(minor, "CNY"))
    exact = sum(int(part.sum()) for part in np.split(minor, 1000))
    assert int(money.to_minor(units, "CNY").sum()) == exact
    assert round(float(np.cumsum(units.to_numpy())[-1]) * 100) != exact  # so the check could fail


def test_amounts_of_ten_to_the_fifteen_minor_units_from_reader_to_report(tmp_path):
    rows = [invoice("I1", amount=HUGE), *(invoice(f"J{k}", amount=HUGE, customer=f"D{k}") for k in range(7)),
            invoice("I2", amount=0.02), invoice("I3", "D9", amount=0.01)]  # fmt: skip
    paid = HUGE - 0.01  # 9,999,999,999,999.98
    received = [payment(amount=paid), payment("P3", "D9", amount=0.01)]
    matched = [allocation(amount=paid), allocation("P3", "I3", amount=0.01)]
    book = ledger.read(folder_of(tmp_path, invoices=rows, payments=received, allocations=matched))
    assert book.quarantine.empty
    day = pd.Timestamp("2024-03-31")
    items = aging.open_items(book, day).set_index("document_id")["open_amount"]
    assert items["I1"] == 0.01 and items["I2"] == 0.02
    # 7 x 9,999,999,999,999.99 + 0.01 + 0.02 = 69,999,999,999,999.96
    assert aging.bucket_table(aging.open_items(book, day), "CNY")["open_amount"].sum() == 69_999_999_999_999.96
    flows = kpi.monthly(book, day)
    assert flows["sales"].sum() == 79_999_999_999_999.95  # 8 x HUGE + 0.02 + 0.01, which was paid
    made = studies.review.review(book, policies.load(ROOT / "data/policies/2025-baseline.toml"), "2024Q1")
    lines = made.identity.set_index("line")["amount"]
    assert lines["difference"] == 0 and markup.cell(lines["sum"]) == "69,999,999,999,999.96"
    show.save({"identity": made.identity}, tmp_path / "out")
    assert "69999999999999.96" in (tmp_path / "out" / "identity.csv").read_text(encoding="utf-8-sig")


def test_where_exact_amounts_and_sums_end_is_said(tmp_path):
    last = (money.LARGEST_MINOR - 1) / 100
    assert money.to_minor(pd.Series([last]), "CNY")[0] == money.LARGEST_MINOR - 1
    with pytest.raises(LedgerError, match=r"above 2\*\*53 minor units"):
        money.to_minor(pd.Series([money.LARGEST_MINOR / 100]), "CNY")
    many = [invoice(f"I{k}", amount=9e13) for k in range(600)]  # 600 x 9e15 = 5.4e18, above 2**62 = 4.6e18
    with pytest.raises(LedgerError, match=r"invoices add up to 5\.4e\+18 minor units, more than exact sums hold"):
        ledger.read(folder_of(tmp_path, invoices=many, payments=[payment()]))


# A ledger holds the days of one age (`ledger.plausible`), so each century has its own.
# On 1 March 2024: 2024-02-29 is one day late; 2000-02-29: 24 years and a day = 24 x 365 + 6 leap days + 1 = 8767; 1900
# was no leap year: 124 x 365 + 30 leap days (1904 to 2020) to 2024-02-28, and 2 more to 1 March: 45,292; 2100-02-28 is
# not yet due, in 75 years and 364 days: 75 x 365 + 18 leap days (2028 to 2096) + 364 = 27,757.
@pytest.mark.parametrize(
    ("days", "wrong", "late"),
    [
        (["2000-02-29", "2024-02-29"], "2023-02-29", [8767, 1]),
        (["1900-02-28"], "1900-02-29", [45_292]),
        (["2100-02-28"], "2100-02-29", [-27_757]),
    ],
)
def test_leap_days_and_centuries(tmp_path, days, wrong, late):
    rows = [invoice(f"I{k}", issued=day, due=day) for k, day in enumerate(days)]
    rows.append(invoice("W", issued=wrong, due=days[-1], amount=0.01))
    book = ledger.read(folder_of(tmp_path, invoices=rows, payments=[payment(paid=days[-1], amount=1.0)]))
    assert book.invoices["issue_date"].dt.strftime("%Y-%m-%d").tolist() == days
    assert book.quarantine["value"].tolist() == [wrong]
    as_of = pd.Timestamp("2024-03-01")
    if days[-1] > "2024-03-01":  # not issued yet
        assert (as_of - book.invoices["due_date"][0]).days == late[0]
        return
    items = aging.open_items(book, as_of).set_index("document_id")["days"]
    assert [items[f"I{k}"] for k in range(len(days))] == late


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_time_stamp_counts_on_the_day_it_shows(tmp_path, form):
    # half past midnight on New Year's Day in Shanghai is still the old year in London
    stamps = ["2025-01-01T00:30:00+08:00", "2024-12-31 23:59:59.999+08:00", "2025-01-31 24:10:00+08:00"]
    rows = pd.DataFrame([invoice(f"I{k}", issued="2025-01-01", due="2025-02-28") for k in range(len(stamps))])
    if form == "csv":
        rows["issue_date"] = stamps
    else:
        rows, stamps = rows.head(2), stamps[:2]
        rows["issue_date"] = pd.to_datetime(pd.Series(stamps), format="ISO8601").dt.tz_convert("Asia/Shanghai")
    getattr(rows, f"to_{form}")(tmp_path / f"invoices.{form}", index=False)
    pd.DataFrame([payment(paid="2025-03-01", amount=1.0)]).to_csv(tmp_path / "payments.csv", index=False)
    mapping = tmp_path / "m.toml"
    mapping.write_text("[source]\nmax_quarantine_share = 0.5\n")
    if form == "csv":  # 24:10 is no time of day: held back, not moved to the next day
        with pytest.raises(LedgerError, match="unreadable"):
            ledger.read(tmp_path)
        rows.head(2).to_csv(tmp_path / "invoices.csv", index=False)
    found = ledger.read(tmp_path).invoices["issue_date"].dt.strftime("%Y-%m-%d").tolist()
    assert found == ["2025-01-01", "2024-12-31"]


def test_one_customer_with_one_open_invoice_has_a_review(tmp_path):
    book = ledger.read(folder_of(tmp_path, invoices=[invoice()], payments=[payment(amount=1.0, paid="2024-01-20")]))
    made = studies.review.review(book, policies.load(ROOT / "data/policies/2025-baseline.toml"), "2024Q1")
    values = made.kpis.set_index("formula_id")["value"]
    assert made.identity.set_index("line").loc["difference", "amount"] == 0
    assert made.concentration.set_index("measure").loc["largest 1", "value"] == 1.0
    assert not np.isinf(values.astype(float)).any()


def test_ratios_without_a_denominator_are_missing_and_never_infinite(tmp_path):
    flows = kpi.monthly(
        ledger.read(folder_of(tmp_path, invoices=[invoice(issued="2024-01-10")], payments=[payment(amount=1.0)])),
        pd.Timestamp("2025-12-31"),
    )
    later = kpi.kpis(flows[flows["month"] > "2025-02-01"])  # no sales at all in these months
    assert np.isnan(later["dso.period_end"]) and not any(map(np.isinf, later.values()))
    assert markup.cell(float("nan")) == "–" and summary.plain(float("inf")) is None


def test_data_without_information_are_refused_by_name_or_given_no_weight():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=400), np.repeat([0, 1], 200)
    with pytest.raises(CreditLabError, match=r"1 class, 0\.0, in all 400 rows"):
        fit(pd.DataFrame({"x": x}), np.zeros(400))
    with pytest.raises(CreditLabError, match="missing"):
        fit(pd.DataFrame({"x": x}), np.where(y == 1, 1.0, np.nan))
    apart = pd.DataFrame({"x": x + 100 * y})  # perfect separation
    with pytest.raises(CreditLabError, match="separates them perfectly"):
        fit(apart, y)
    blank = Binner().fit(pd.DataFrame({"missing": np.full(400, np.nan), "constant": 1.0, "x": x}), y)
    assert [blank.bins_[name].iv for name in ("missing", "constant")] == [0.0, 0.0]
    assert validate.auc(y, np.full(400, 0.3)) == 0.5  # nobody is ranked before anybody


def differences():
    """Quantity, other program, tolerance, largest difference found."""
    ranking, logit, survival = KNOWN["ranking"], KNOWN["logit"], KNOWN["survival"]
    y, risk = np.array(ranking["y"]), np.array(ranking["risk"])
    for name, program in (("auc", "scikit-learn 1.9.1"), ("brier", "scikit-learn 1.9.1"), ("ks", "scipy 1.17.1")):
        yield name, program, 1e-12, abs(getattr(validate, name)(y, risk) - ranking[name])
    from credit_lab.scoring.fitting import coefficients

    own = coefficients(pd.DataFrame(logit["x"], columns=list("abc")), np.array(logit["y"], float), np.ones(400))
    found = np.abs(own["coefficient"] - logit["coefficients"]).max()
    yield "logit: coefficients", "scikit-learn 1.9.1 (newton-cholesky)", 1e-8, float(found)
    found = np.abs(own["standard_error"] - logit["standard_errors"]).max()
    yield "logit: standard errors", "statsmodels 0.15.0 (GLM)", 1e-8, float(found)
    curve, median = _kaplan_meier(survival)
    wanted = dict(survival["curve"])
    yield "Kaplan-Meier: curve", "lifelines 0.30.3", 1e-12, max(abs(p - wanted[int(t)]) for t, p in curve)
    yield "Kaplan-Meier: median", "lifelines 0.30.3", 0.0, abs(median - survival["median"])


def _kaplan_meier(survival):
    """The durations as invoices: settled ones are paid after so many days, the others issued so long before the end."""
    import tempfile

    end = pd.Timestamp("2025-12-31")
    rows, receipts, lines = [], [], []
    for k, (days, settled) in enumerate(zip(survival["days"], survival["settled"], strict=True)):
        issued = pd.Timestamp("2025-01-01") if settled else end - pd.Timedelta(days=days)
        paid = str((issued + pd.Timedelta(days=days)).date())
        rows.append(invoice(f"I{k}", issued=str(issued.date()), due="2025-12-31"))
        if settled:
            receipts.append(payment(f"P{k}", paid=paid))
            lines.append(allocation(f"P{k}", f"I{k}", paid))
    with tempfile.TemporaryDirectory() as folder:
        book = ledger.read(folder_of(Path(folder), invoices=rows, payments=receipts, allocations=lines))
    found = kpi.days_to_pay(book, end)
    return list(found.curve.itertuples(index=False, name=None)), found.median


def test_other_programs_give_the_same_figures():
    for name, program, tolerance, found in differences():
        assert found <= tolerance, f"{name} against {program}: {found:.2e}"


def test_financial_ratios_with_nothing_below_the_line_say_why():
    items = ("sales", "cost_of_sales", "net_income", "total_assets", "current_assets", "inventory", "receivables",
             "cash", "total_liabilities", "current_liabilities", "net_worth", "operating_profit")  # fmt: skip
    row = {"customer_id": "C1", "period_end": pd.Timestamp("2024-12-31"), "published_on": pd.Timestamp("2025-03-01")}
    table = ratios(pd.DataFrame([{**row, **dict.fromkeys(items, 0.0)}]))
    assert table["value"].isna().all() and (table["reason"] != "").all()


if __name__ == "__main__":
    for name, program, tolerance, found in differences():
        print(f"| {name} | {program} | {tolerance:g} | {found:.1e} |")
