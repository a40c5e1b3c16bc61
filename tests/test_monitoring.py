"""Alerts with their backtest, contract checks, holds and statement reconciliation, on cases worked by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from credit_lab import history, ledger
from credit_lab import policy as policies
from credit_lab.monitoring import alerts, contracts, holds, signals, statements
from credit_lab.monitoring.alerts import MonitoringError, Rule
from tests.ledgers import invoice, paid_in_full, payment

baseline = policies.load("data/policies/2025-baseline.toml")
MONTHS = pd.date_range("2024-01-31", periods=24, freq="ME")


def table(**customers):
    """A signal `x` by month for each customer, and the columns alerts need."""
    parts = [
        pd.DataFrame({"month": MONTHS[: len(values)], "customer_id": name, "x": np.array(values, dtype=float)})
        for name, values in customers.items()
    ]
    whole = pd.concat(parts, ignore_index=True)
    return whole.assign(open=1000.0, max_dpd=0, written_off_12m=0.0)


def test_an_alert_fires_once_per_episode():
    rows = table(A=[0, 5, 5, 5, 0, 5, 5, 0])
    fired = alerts.fire(rows, (Rule("r", "x", above=3.0),))
    assert fired["month"].tolist() == [MONTHS[1], MONTHS[5]]
    twice = alerts.fire(rows, (Rule("r", "x", above=3.0, window=3),))
    assert twice["month"].tolist() == [MONTHS[3]]
    with pytest.raises(MonitoringError, match="no indicator 'y'"):
        alerts.fire(rows, (Rule("r", "y", above=3.0),))
    for wrong in ({"above": 1.0, "below": 2.0}, {}, {"above": 1.0, "window": 0}):
        with pytest.raises(MonitoringError):
            Rule("r", "x", **wrong)


def test_backtest_by_hand():
    """A is warned in month 2 of a default in month 5: right, 90 days ahead (29 Feb to 31 May is 92). B is warned and
    stays well: wrong. C defaults unwarned. D's alert is too young to be judged. Precision 1/2, recall 1/2."""
    quiet = [0.0] * 24
    a, b, d = ([*quiet[:k], 9.0, *quiet[k + 1 :]] for k in (1, 2, 22))
    rows = table(A=a, B=b, C=quiet, D=d)
    events = pd.DataFrame({"customer_id": ["A", "C"], "default_on": [MONTHS[4], MONTHS[10]]})
    found = alerts.backtest(rows, (Rule("r", "x", above=3.0, minutes=30),), events)
    row = found.rules.iloc[0]
    assert (row["alerts"], row["true"], row["precision"], row["recall"]) == (2, 1, 0.5, 0.5)
    assert row["lead_median_days"] == (MONTHS[4] - MONTHS[1]).days == 92
    weeks = (MONTHS[-1] - MONTHS[0]).days / 7
    assert row["minutes_per_week"] == pytest.approx(3 * 30 / weeks)
    none = alerts.backtest(rows, (Rule("r", "x", above=3.0),), events.head(0))
    assert np.isnan(none.rules["recall"].iloc[0])
    with pytest.raises(MonitoringError, match="twice"):
        alerts.backtest(rows, (Rule("r", "x", above=3.0),), pd.concat([events, events]))


def test_threshold_of_least_cost():
    """A default of 1,000 open: a warning saves 180 (60 % x 30 %), an alert costs 20 minutes at 200 an hour, 66.67.

    Above 3 only A's alert fires (66.67); above 1 also B's and C's (200); above 9 none (180 lost)."""
    quiet = [0.0] * 24
    rows = table(A=[0, 5, *quiet[2:]], B=[0, 2, *quiet[2:]], C=[0, 2, *quiet[2:]])
    events = pd.DataFrame({"customer_id": ["A"], "default_on": [MONTHS[6]]})
    costs = alerts.cost_curve(rows, Rule("r", "x", above=0.0), events, np.array([1.0, 3.0, 9.0])).set_index("threshold")
    assert costs["cost"].round(2).to_dict() == {1.0: 200.0, 3.0: 66.67, 9.0: 180.0}
    assert costs["chosen"].idxmax() == 3.0


def test_control_chart_by_hand():
    """Five settlements of 10 days make the habit (deviation 3 at least); 16 days then are z = 2, so CUSUM 1.5, 3.0."""
    rows = pd.DataFrame({"customer_id": "A", "days_late": [10.0] * 5 + [16.0]})
    chart = signals.control_chart(rows)
    assert chart["delay_cusum"].iloc[:5].isna().all()
    assert chart["delay_cusum"].iloc[5] == pytest.approx(1.5)
    assert chart["delay_ewma"].iloc[5] == pytest.approx(0.2 * 2 / (0.2 / 1.8) ** 0.5)


def test_signals_of_the_sample_see_only_the_past(sample):
    day = pd.Timestamp("2025-06-30")
    whole = signals.build(sample, history.build(sample, pd.Timestamp("2025-12-31"))).table
    early = signals.build(sample, history.build(sample, day)).table
    columns = ["delay_cusum", "overdue_share", "utilisation", "broken_promises", "order_surge", "negative_news"]
    both = whole[whole["month"] <= day].merge(early, on=["month", "customer_id"], suffixes=("", "_then"))
    assert len(both) == len(early)
    for name in columns:
        pd.testing.assert_series_equal(both[name], both[f"{name}_then"], check_names=False)


def test_alerts_of_the_sample_come_before_defaults(sample):
    past = signals.build(sample, history.build(sample, pd.Timestamp("2025-12-31")))
    rules = tuple(rule for rule in alerts.READY_MADE if rule.indicator not in past.absent)
    found = alerts.backtest(past.table, rules, alerts.defaults(past.table)).rules.set_index("rule")
    assert found.loc["any of them", "recall"] > 0.8
    assert found.loc["any of them", "lead_median_days"] > 60
    assert found.loc["open item late beyond habit", "precision"] > 2 * found["base_rate"].iloc[0]
    assert set(past.absent) == {"grade_drop", "statement_difference"}


# ---- holds ----------------------------------------------------------------------------------------------------------
def order(**changes):
    row = {
        "order_id": "O", "customer_id": "A", "amount": 100.0, "open": 500.0, "overdue": 0.0, "late_old": 0.0,
        "late_share": 0.0, "exposure": 500.0, "credit_limit": 1000.0, "limit_valid": True, "contract": True,
        "alert": "",
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def test_holds_by_hand():
    rules = baseline.holds
    assert holds.decide(order(), baseline)["decision"].tolist() == ["release"]
    room = 1000 * rules.utilisation - 500
    tight = holds.decide(order(amount=room + 60), baseline).iloc[0]
    expected = "partial" if rules.partial_release else "hold"
    assert tight["decision"] == expected
    assert tight["released"] == (room if rules.partial_release else 0)
    assert tight["released"] + tight["held"] == room + 60
    late = holds.decide(order(late_old=50_000.0, overdue=50_000.0, open=60_000.0, exposure=100.0), baseline).iloc[0]
    assert late["decision"] == "hold"
    assert "days past due" in late["reasons"]
    assert late["release_by"]
    assert holds.decide(order(alert="stop"), baseline)["reasons"].tolist() == ["alert: stop"]
    strict = holds.with_holds(baseline, expired_limit=True, missing_contract=True)
    both = holds.decide(order(limit_valid=False, contract=False), strict)["reasons"].iloc[0]
    assert both == "limit expired; no valid contract"
    with pytest.raises(MonitoringError, match="orders lack exposure"):
        holds.decide(order().drop(columns="exposure"), baseline)


def test_stricter_holds_never_release_more(sample):
    start, end = pd.Timestamp("2025-01-01"), pd.Timestamp("2025-03-31")
    strict = holds.with_holds(baseline, overdue_days=max(baseline.holds.overdue_days // 3, 1))
    made = holds.compare(sample, {"now": baseline, "strict": strict}, start, end, look_weeks=2).set_index("policy")
    assert made.loc["strict", "held_amount"] >= made.loc["now", "held_amount"]
    assert made.loc["now", "orders"] == made.loc["strict", "orders"]
    with pytest.raises(MonitoringError, match="no orders between"):
        holds.replay_holds(sample, baseline, pd.Timestamp("1999-01-01"), pd.Timestamp("1999-02-01"))


# ---- contracts ------------------------------------------------------------------------------------------------------
def test_contract_checks_on_a_made_ledger(write_ledger):
    from credit_lab import ledger

    book = ledger.read(
        write_ledger(
            customers=[{"customer_id": "A", "size_class": "large"}, {"customer_id": "B", "size_class": "small"}],
            invoices=[
                {"invoice_id": "I1", "customer_id": "A", "issue_date": "2025-07-01", "due_date": "2025-09-29",
                 "amount": 1000, "currency": "CNY"},
                {"invoice_id": "I2", "customer_id": "B", "issue_date": "2025-07-01", "due_date": "2025-08-30",
                 "amount": 400, "currency": "CNY"},
            ],
            payments=[{"payment_id": "P1", "customer_id": "B", "paid_date": "2025-09-09", "amount": 400,
                       "currency": "CNY"}],
            allocations=[{"payment_id": "P1", "invoice_id": "I2", "amount": 400,
                          "allocated_on": "2025-09-09"}],
            contracts=[{"contract_id": "K1", "customer_id": "A", "signed_on": "2025-01-01", "valid_to": "2025-12-31",
                        "term_days": 60, "template": "customer's own", "reviewed_by": ""}],
            limits=[{"customer_id": "A", "valid_from": "2025-01-01", "credit_limit": 700, "currency": "CNY"}],
        )
    )  # fmt: skip
    found = contracts.check(book, pd.Timestamp("2025-07-01"), pd.Timestamp("2025-12-31"))
    kinds = found.groupby("check")["document_id"].apply(list).to_dict()
    assert kinds["missing_contract"] == ["I2"]
    assert kinds["unreviewed_contract"] == kinds["template"] == ["K1"]
    assert kinds["term_over_contract"] == ["I1"]  # 90 days invoiced, 60 agreed
    assert kinds["decree_802"] == ["I1"]  # a large enterprise may take 60 days
    over = found[found["check"] == "over_limit"].set_index("document_id")["amount"].to_dict()
    assert over == {"I1": 300.0, "I2": 400.0}  # B has no limit at all
    interest = found[found["check"] == "claimable_interest"].set_index("document_id")["amount"]
    # A, a large enterprise, is 93 days late on 1,000: 1000 x 0.05 % x 93 = 46.50; B, a small one, owes none under it
    assert interest.to_dict() == {"I1": 46.5}


# ---- statements -----------------------------------------------------------------------------------------------------
def test_statement_with_every_kind_of_difference():
    """Ours 100 + 200 + 300 + 400 + 50 + 60 = 1,110; theirs 100 + 190 + 300 + 400 + 70 = 1,060, stated 1,065.

    matched by id (100), by amount and date (300), by similar reference (400); 200 against 190: 10 apart; 50 is three
    days old: on its way; 60 is old: they lack it; 70: we lack it. 1,110 - 10 - 50 - 60 + 70 = 1,060, and 5 unexplained.
    """
    day = pd.Timestamp("2025-06-30")
    ours = pd.DataFrame(
        {
            "document_id": ["INV-0001", "INV-0002", "INV-0003", "INV-004444", "INV-0005", "INV-0006"],
            "issue_date": pd.to_datetime(["2025-05-01"] * 4 + ["2025-06-27", "2025-03-01"]),
            "open_amount": [100.0, 200, 300, 400, 50, 60],
        }
    )
    theirs = pd.DataFrame(
        {
            "reference": ["inv 1", "INV2", "9-77", "INV-04444X", "X-1"],
            "date": pd.to_datetime(["2025-05-01", "2025-05-01", "2025-05-03", "2025-05-20", "2025-01-01"]),
            "amount": [100.0, 190, 300, 400, 70],
        }
    )
    made = statements.reconcile(ours, theirs, as_of=day, stated_total=1065.0)
    kinds = made.lines.groupby("kind")["difference"].sum()
    assert made.lines.groupby("kind").size().to_dict() == {
        "matched": 3, "amount_difference": 1, "timing_ours": 1, "only_ours": 1, "only_theirs": 1,
    }  # fmt: skip
    assert kinds["amount_difference"] == 10
    assert set(made.lines["method"]) >= {"reference", "amount and date", "similar reference"}
    assert made.remainder == 5.0
    assert made.unexplained == pytest.approx(10 + 60 + 70 + 5)
    amounts = made.bridge["amount"].to_numpy()
    assert amounts[:-1].sum() == pytest.approx(amounts[-1]) == pytest.approx(1065)


def open_lines(*rows):
    return pd.DataFrame(rows, columns=["document_id", "issue_date", "open_amount"])


def stated_lines(*rows):
    return pd.DataFrame(rows, columns=["reference", "date", "amount"])


def paired(ours, theirs):
    lines = statements.reconcile(ours, theirs, as_of=pd.Timestamp("2025-06-30")).lines
    return {(one.our_id, one.their_id): one.method for one in lines.itertuples() if one.method}


def test_the_most_alike_reference_is_taken_first():
    """Letters both hold in one order, twice, over all letters: ab12345 and ab123456x 14/16, ab123456
    and ab123456x 16/17, so the second of ours gets it; ab12345 and ab12399 10/14, below .8."""
    day = pd.Timestamp("2025-05-01")
    ours = open_lines(("AB-12345", day, 100.0), ("AB-123456", day, 200.0))
    theirs = stated_lines(("AB-123456X", day, 150.0), ("AB-12399", day, 160.0))
    assert paired(ours, theirs) == {("AB-123456", "AB-123456X"): "similar reference"}
    # ab12345 and ab12346 12/14: the next best, where there is one
    theirs = stated_lines(("AB-123456X", day, 150.0), ("AB-12346", day, 160.0))
    found = paired(ours, theirs)
    assert set(found) == {("AB-123456", "AB-123456X"), ("AB-12345", "AB-12346")}
    # an equal amount goes before a closer reference, a credit note is never an invoice
    theirs = stated_lines(("AB-123456X", pd.Timestamp("2025-06-01"), 100.0), ("AB-1234567", day, -200.0))
    assert paired(ours, theirs) == {("AB-12345", "AB-123456X"): "similar reference"}


def test_lines_of_one_amount_are_paired_by_the_nearest_days():
    """Days 1 and 4 against 4 and 6: 4 with 4 first, then 1 with 6, five apart; 20 is too far from
    all; a line without a day has no near one."""
    days = pd.to_datetime(["2025-05-01", "2025-05-04", "2025-05-20", None])
    ours = open_lines(*((f"A{i}", day, 100.0) for i, day in enumerate(days)))
    theirs = stated_lines(*((f"X9{i}", day, 100.0) for i, day in enumerate(days + pd.Timedelta(0))))
    theirs = theirs.assign(date=pd.to_datetime(["2025-05-04", "2025-05-06", "2025-05-12", None]))
    method = "amount and date"
    assert paired(ours, theirs) == {("A1", "X90"): method, ("A0", "X91"): method}


def common(a, b):
    """Length of the longest common subsequence, by its recursion."""
    row = [0] * (len(b) + 1)
    for letter in a:
        before = row
        row = [0]
        for k, other in enumerate(b):
            row.append(before[k] + 1 if letter == other else max(before[k + 1], row[k]))
    return row[-1]


@pytest.mark.parametrize("seed", range(12))
def test_pairs_are_those_of_the_plain_definition(seed):
    """Every step over all pairs that are left, sorted, each line once."""
    rng = np.random.default_rng(seed)

    def lines(n):
        words = ["".join(rng.choice(list("ab1"), rng.integers(4, 9))) for _ in range(n)]
        days = pd.Timestamp("2025-05-01") + pd.to_timedelta(rng.integers(0, 20, n), unit="D")
        return zip(words, days, rng.integers(-3, 12, n), strict=True)

    ours, theirs = open_lines(*lines(30)), stated_lines(*lines(25))

    def rank(step, a, b):
        names = [statements.normalised(text) for text in (a[0], b[0])]
        share = 2 * common(*names) / (len(names[0]) + len(names[1]))
        gap = abs((a[1] - b[1]).days)
        if step == "reference":
            return None if names[0] != names[1] else (0,)
        if step == "amount and date":
            return (gap,) if a[2] == b[2] and gap <= 5 else None
        return (a[2] != b[2], -share) if share >= 0.8 and (a[2] > 0) == (b[2] > 0) else None

    left, right = list(ours.itertuples(index=False)), list(theirs.itertuples(index=False))
    free, expected = [set(range(30)), set(range(25))], []
    for step in ("reference", "amount and date", "similar reference"):
        ranked = [(rank(step, left[i], right[j]), i, j) for i in free[0] for j in free[1]]
        if step == "reference":  # in the order of our lines, each takes the nearest amount
            ranked = [(key and (i, abs(left[i][2] - right[j][2])), i, j) for key, i, j in ranked]
        for _, i, j in sorted(one for one in ranked if one[0]):
            if i in free[0] and j in free[1]:
                free[0].remove(i)
                free[1].remove(j)
                expected.append((left[i][0], right[j][0], left[i][1], right[j][1], step))
    made = statements.reconcile(ours, theirs, as_of=pd.Timestamp("2025-06-30")).lines
    made = made.loc[made["method"] != "", ["our_id", "their_id", "our_date", "their_date", "method"]]
    assert sorted(map(tuple, made.to_numpy().tolist())) == sorted(expected)


def test_statement_files(tmp_path):
    path = tmp_path / "statement.csv"
    path.write_text('No;Tag;Betrag\nA-1;01.05.2025;"1.234,50 €"\nA-2;02.05.2025;(10,00)\n'.replace(";", "|"))
    path.write_text(path.read_text().replace("|", ","), encoding="utf-8")
    path.write_text('No,Tag,Betrag\nA-1,01.05.2025,"1.234,50 €"\nA-2,02.05.2025,"(10,00)"\n', encoding="utf-8")
    columns = {"reference": "No", "date": "Tag", "amount": "Betrag"}
    found = statements.read_statement(path, columns, date_format="%d.%m.%Y", decimal=",")
    assert found["amount"].tolist() == [1234.5, -10.0]
    with pytest.raises(MonitoringError, match=r"row 1: date '01.05.2025' cannot be read"):
        statements.read_statement(path, columns, decimal=",")
    with pytest.raises(MonitoringError, match="no column for amount"):
        statements.read_statement(path, {"reference": "No", "date": "Tag"})
    with pytest.raises(MonitoringError, match="theirs lacks amount"):
        statements.reconcile(
            pd.DataFrame({"document_id": [], "issue_date": [], "open_amount": []}),
            pd.DataFrame({"reference": [], "date": []}),
            as_of=pd.Timestamp("2025-06-30"),
        )
    assert dataclasses.asdict(statements.Matching())["transit_days"] == 10


def test_cash_warning_and_desk_of_the_sample(sample):
    from credit_lab.figures import collecting as figures_collecting
    from credit_lab.studies import cash, collecting, collecting_text

    day = pd.Timestamp("2025-12-31")
    warning = collecting.early_warning(sample, baseline, day)
    assert (warning.now["month"] == day).all()
    assert len(collecting_text.warning_headline(warning)) >= 3
    desk = collecting.desk(sample, baseline, day, minutes=60)
    chosen = desk.rows[desk.rows["chosen"]]
    assert chosen["minutes"].sum() <= 60
    assert desk.orderings["against_index"].max() == 1
    assert any(line.startswith("Measured: reminder") for line in desk.sources)
    outlook = cash.cash_outlook(sample, day, weeks=4, months=2, origins=2, replicates=100, seed=1)
    again = cash.cash_outlook(sample, day, weeks=4, months=2, origins=2, replicates=100, seed=1)
    assert outlook.weekly.equals(again.weekly)
    assert (outlook.weekly["p10"] <= outlook.weekly["p90"]).all()
    assert outlook.tracked["made_on"].iloc[-1] == "all"
    drawn = [
        figures_collecting.cash_chart(outlook.weekly, outlook.past, currency="CNY", source="s"),
        figures_collecting.rules_chart(warning.rules, source="s"),
        figures_collecting.orderings_chart(desk.orderings, currency="CNY", source="s"),
    ]
    assert [len(figure.axes) for figure in drawn] == [1, 2, 1]


def test_commands(tmp_path):
    import json

    from typer.testing import CliRunner

    from credit_lab.__main__ import app

    seen = CliRunner().invoke(app, ["alerts", "--json"])
    assert seen.exit_code == 0, seen.output
    assert {row["severity"] for row in json.loads(seen.stdout)["alerts"]} <= {"watch", "act", "stop"}
    listed = CliRunner().invoke(app, ["worklist", "--minutes", "30", "--out", str(tmp_path / "w.csv"), "--json"])
    assert listed.exit_code == 0, listed.output
    assert len(pd.read_csv(tmp_path / "w.csv")) == len(json.loads(listed.stdout)["worklist"])
    assert CliRunner().invoke(app, ["alerts", "--severity", "red"]).exit_code == 2


def test_the_worklist_writes_its_letters(tmp_path):
    import io
    import json
    import zipfile

    from typer.testing import CliRunner

    from credit_lab.__main__ import app

    words = ["worklist", "--minutes", "30", "--letters", str(tmp_path / "post"), "--json"]
    assert CliRunner().invoke(app, words).exit_code == 2  # who writes?
    made = CliRunner().invoke(app, [*words, "--sender", "Muster & Co", "--lang", "zh"])
    assert made.exit_code == 0, made.output
    chosen = [row for row in json.loads(made.stdout)["worklist"] if row["chosen"]]
    assert {path.stem for path in (tmp_path / "post").iterdir()} == {row["customer_id"] for row in chosen} != set()
    first = (tmp_path / "post" / f"{chosen[0]['customer_id']}.docx").read_bytes()
    text = zipfile.ZipFile(io.BytesIO(first)).read("word/document.xml").decode()
    names = pd.read_csv("data/sample/customers.csv").set_index("customer_id")["name"]
    assert "Muster &amp; Co" in text
    assert f"{names[chosen[0]['customer_id']]}：" in text  # the greeting in Chinese


def test_utilisation_of_a_shared_group_limit_counts_the_whole_group(write_ledger):
    """A and B share the group's limit of 1,000 and owe 700 and 500: 120 % for both; C has 400 of its own 800,
    less 1 of unapplied cash."""
    owed = {"A": 700.0, "B": 500.0, "C": 400.0}
    settled, paid, full = paid_in_full()
    book = ledger.read(
        write_ledger(
            customers=[{"customer_id": name, "group_id": "" if name in "CS" else "G"} for name in [*owed, "G", "S"]],
            invoices=[*(invoice(f"I{k}", k, amount=v, due="2024-04-30") for k, v in owed.items()), settled],
            payments=[payment(customer="C", amount=1.0), paid],
            allocations=[full],
            limits=[
                {"customer_id": name, "valid_from": "2024-01-01", "credit_limit": limit}
                for name, limit in (("G", 1000.0), ("C", 800.0))
            ],
        )
    )
    past = history.build(book, pd.Timestamp("2024-02-29"))
    rows = signals.build(book, past).table
    used = rows[rows["month"] == "2024-02-29"].set_index("customer_id")["utilisation"]
    assert used[["A", "B", "C"]].round(6).to_dict() == {"A": 1.2, "B": 1.2, "C": 0.49875}
