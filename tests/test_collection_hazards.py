"""Payment hazards: cells against person-days, planted coefficients, habits by hand, curves, refusals."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from credit_lab.collection import accuracy, cells, habits, hazards, payment_time, spells, tuning
from credit_lab.collection.cells import AgeBands, CollectionError

DAY = pd.Timedelta(days=1)
BANDS = AgeBands((-40, -5, 6, 31))


def planted(invoices, seed, *, grade=(0.0, -0.4, -0.8), customers=200):
    """Spells of invoices whose daily odds of payment follow a logit with these effects of grade."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 3, invoices)
    due = np.datetime64("2024-03-01") + rng.integers(0, 300, invoices)
    age = np.arange(-20, 61)
    base = np.select([age < -5, age <= 5], [-4.5, -2.0], -2.8)
    p = 1 / (1 + np.exp(-(base[None, :] + np.array(grade)[code][:, None])))
    hit = rng.random(p.shape) < p
    paid = hit.any(axis=1)
    stop = due + np.where(paid, age[hit.argmax(axis=1)], age[-1])
    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, customers, invoices).astype(str),
            "due_date": pd.to_datetime(due),
            "start": pd.to_datetime(due - 20),
            "stop": pd.to_datetime(stop),
            "paid": paid,
            "grade": np.array(list("ABC"))[code],
        }
    )


def person_days(table, model):
    rows = []
    for row in table.itertuples():
        for day in pd.date_range(row.start, row.stop):
            rows.append((row.Index, (day - row.due_date).days, day.day_of_week, row.paid and day == row.stop))
    frame = pd.DataFrame(rows, columns=["row", "age", "weekday", "y"])
    active = hazards._active(
        model, model.codes(table)[frame["row"]], model.bands.of(frame["age"]), frame["weekday"].to_numpy()
    )
    x = np.zeros((len(frame), len(model.names) + 1))
    for part in active:
        x[np.arange(len(frame)), part] = 1
    return x[:, :-1], frame["y"].to_numpy(dtype=float), table["customer_id"].to_numpy()[frame["row"]]


@pytest.fixture(scope="module")
def small():
    table = planted(400, 1)
    factors = cells.learn_factors(table, ["grade"])
    return table, hazards.fit(table, factors, bands=BANDS, options=hazards.Fit(ridge=0.0, min_events=5))


def test_coefficients_equal_the_person_day_regression(small):
    table, model = small
    x, y, who = person_days(table, model)
    glm = sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-12, tol_criterion="params", maxiter=100)
    np.testing.assert_allclose(model.coefficients, glm.params, atol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance)), glm.bse, rtol=1e-6)
    assert model.log_likelihood == pytest.approx(glm.llf, abs=1e-6)
    groups = pd.factorize(who)[0]
    clustered = sm.GLM(y, x, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}, tol=1e-12, maxiter=100
    )
    number = groups.max() + 1
    np.testing.assert_allclose(
        model.clustered_errors(table, rows_at_once=97), clustered.bse * np.sqrt(number / (number - 1)), rtol=1e-6
    )


@given(st.lists(st.tuples(st.integers(-30, 20), st.integers(0, 60), st.booleans(), st.integers(0, 6)), min_size=1))
def test_cells_hold_every_person_day(rows):
    due = pd.Timestamp("2024-05-06")
    table = pd.DataFrame(
        {
            "customer_id": "C",
            "due_date": [due + w * DAY for *_, w in rows],
            "start": [due + (w + s) * DAY for s, _, _, w in rows],
            "stop": [due + (w + s + n) * DAY for s, n, _, w in rows],
            "paid": [paid for _, _, paid, _ in rows],
        }
    )
    found = cells.count_cells(table, np.zeros((len(rows), 0), np.int64), BANDS)
    expected = {}
    for row in table.itertuples():
        for day in pd.date_range(row.start, row.stop):
            key = int(BANDS.of((day - row.due_date).days)), day.day_of_week
            days, paid = expected.get(key, (0, 0))
            expected[key] = days + 1, paid + (row.paid and day == row.stop)
    got = {(b, w): (n, y) for b, w, n, y in zip(found.band, found.weekday, found.days, found.paid, strict=True)}
    assert got == expected


def test_planted_effects_lie_in_their_intervals():
    inside = total = 0
    for seed in range(8):
        table = planted(3000, seed)
        model = hazards.fit(table, cells.learn_factors(table, ["grade"]), options=hazards.Fit(stretches=False, ridge=0))
        rows = model.table(model.clustered_errors(table)).set_index("name")
        reference = "ABC"[model.reference[1]]
        truth = dict(zip("ABC", (0.0, -0.4, -0.8), strict=True))
        for name in "ABC":
            if name != reference:
                row = rows.loc[f"grade={name}@all"]
                total += 1
                inside += row["low"] <= truth[name] - truth[reference] <= row["high"]
    assert total == 16 and inside >= 13  # P(fewer of 16 at 95 %) = 0.7 %


def test_bands_merge_until_each_has_payments():
    bands = AgeBands((-10, -5, 0, 1, 5, 9, 20))
    # payments per band 0 1 8 0 2 3 0: the lump on day 0 stands alone, the empty ends join their neighbours
    paid = np.array([-3] + [0] * 8 + [5, 6] + [9, 9, 12])
    assert bands.merged(paid, min_events=4).starts == (-10, 0, 1)
    assert bands.merged(paid, min_events=1).starts == (-10, 0, 1, 9)
    assert bands.merged(paid, min_events=100).starts == (-10,)
    late = np.array([0] * 8 + [9] * 4)
    assert bands.merged(late, min_events=4).starts == (-10, 1)
    assert bands.merged(late, min_events=4, least=0).starts == (-10, 0, 1, 9, 20)


def flat(customer, gaps, *, start="2024-01-01"):
    """Invoices of one customer, issued weekly, due after 10 days, paid so many days after the due date."""
    issue = pd.date_range(start, periods=len(gaps), freq="7D")
    due = issue + 10 * DAY
    return pd.DataFrame(
        {
            "invoice_id": [f"{customer}-{k}" for k in range(len(gaps))],
            "customer_id": customer,
            "issue_date": issue,
            "due_date": due,
            "amount": 100.0,
            "paid_on": due + pd.to_timedelta(gaps, unit="D"),
        }
    )


def test_habit_factor_by_hand():
    # One band, weekdays alike, hazard 0.1 on all days: 3 payments where 2 were expected, κ = 5:
    # a = (3 + 5·0.1) / (2 + 5·0.1) = 1.4; with κ_w huge the weekday factor stays 1.
    paid, expected = np.zeros((1, 1, 7)), np.zeros((1, 1, 7))
    paid[0, 0, 2], expected[0, 0, :4] = 3, 0.5
    rate = np.full((1, 1, 7), 0.1)
    a, m = habits.factors(paid, expected, rate, rate, habits.Habit(kappa=5, kappa_weekday=1e12))
    assert a[0, 0] == pytest.approx(1.4)
    assert m == pytest.approx(1.0)
    # One round with κ_w = 1: m = (3 + 1) / (1.4·0.5 + 1) on Wednesday, 1 / 1.7 on the other days at risk.
    _, m = habits.factors(paid, expected, rate, rate, habits.Habit(kappa=5, kappa_weekday=1), rounds=1)
    assert m[0, 2] == pytest.approx(4 / 1.7)
    assert m[0, 0] == pytest.approx(1 / 1.7)


def test_memory_sees_only_the_days_before_and_fades():
    table = flat("C", [0]).assign(start=lambda t: t["issue_date"], stop=lambda t: t["paid_on"], paid=True)
    rates = np.full((1, 1, 7), 0.5)
    band_of = np.zeros(cells.OLDEST - cells.YOUNGEST + 1, np.int64)
    past = habits.past(table, rates, np.zeros(1, np.int64), band_of, half_life=10.0)
    paid_on = cells.day_number(table["paid_on"])
    asked = pd.Series(["C", "C", "C", "X"], dtype="str")
    days = np.array([paid_on[0], paid_on[0] + 1, paid_on[0] + 11, paid_on[0] + 11])
    y, e = past.seen(asked, days)
    # The payment counts from the day after; ten days later half.
    assert y.sum(axis=(1, 2)) == pytest.approx([0, 2**-0.1, 2**-1.1, 0])
    # 11 days at risk at 0.5, each fading by its own age (1 .. 11 days before the second question)
    assert e[1].sum() == pytest.approx(0.5 * sum(2 ** (-k / 10) for k in range(1, 12)))
    assert e[3].sum() == 0


def habitual(seed=0):
    """Three customers with habits of their own: on time, ten days late, any day."""
    rng = np.random.default_rng(seed)
    return pd.concat(
        [flat("prompt", [0] * 60), flat("late", rng.integers(9, 12, 60)), flat("any", rng.integers(-5, 20, 60))],
        ignore_index=True,
    )


def test_curves_know_the_habit_and_the_prior_says_so():
    known = spells.from_table(habitual(), pd.Timestamp("2025-01-15"))
    model = payment_time.fit(known.table, own=["past_median"], options=hazards.Fit(min_events=4))
    day = pd.Timestamp("2025-02-03")
    asked = pd.DataFrame(
        {
            "customer_id": ["prompt", "late", "stranger", "late"],
            "due_date": [day + 10 * DAY] * 3 + [day - 400 * DAY],
            "from_day": day,
            "past_median": [0.0, 10.0, np.nan, 10.0],
        }
    )
    table = model.curves(asked).summary()
    assert abs(table.loc[0, "median_days"]) <= 1
    assert 8 <= table.loc[1, "median_days"] <= 12
    assert table.loc[0, "note"] == ""
    assert "prior" in table.loc[2, "note"] and "left out" in table.loc[2, "note"]
    assert "never seen" in table.loc[3, "note"]
    assert (table["low_days"] <= table["median_days"]).all() and (table["median_days"] <= table["high_days"]).all()
    curves = model.curves(asked)
    assert (np.diff(curves.paid_by, axis=1) >= 0).all()
    assert curves.by(day + 20 * DAY)[0] == curves.paid_by[0, 20]
    assert curves.by(day - DAY)[0] == 0


def test_the_future_changes_nothing():
    table = habitual()
    as_of = pd.Timestamp("2024-09-30")
    other = table.assign(paid_on=table["paid_on"].where(table["paid_on"] <= as_of, table["paid_on"] + 33 * DAY))
    first, second = (spells.from_table(t, as_of) for t in (table, other))
    pd.testing.assert_frame_equal(first.table, second.table)
    one, two = (payment_time.fit(s.table, own=["past_median"]).curves(s.open_rows) for s in (first, second))
    np.testing.assert_array_equal(one.paid_by, two.paid_by)


def test_interval_takes_the_lump_nearest_to_its_share():
    rows = pd.DataFrame({"customer_id": ["a"], "due_date": [pd.Timestamp("2024-01-10")]})
    rows = rows.assign(from_day=rows["due_date"])
    # Mass .05 .10 .70 .10 .05 on days 0..4: [1, 3] holds .90, [2, 2] holds .70; tails of .10 lie between both lumps.
    curve = payment_time.Curves(rows, np.array([[0.05, 0.15, 0.85, 0.95, 1.0]]), np.ones(1), pd.Series([""]))
    low, high = curve.interval(0.9)
    assert (low[0], high[0]) == (1, 3)
    low, high = curve.interval(0.7)
    assert (low[0], high[0]) == (2, 2)
    assert curve.quantile(0.5)[0] == 2 and curve.never[0] == 0
    assert curve.expected_days()[0] == pytest.approx(0.10 + 2 * 0.70 + 3 * 0.10 + 4 * 0.05)


def test_scores_by_hand():
    rows = pd.DataFrame({"customer_id": ["a"], "due_date": [pd.Timestamp("2024-01-10")]})
    rows = rows.assign(from_day=rows["due_date"])
    curve = payment_time.Curves(rows, np.array([[0.2, 0.6, 1.0]]), np.ones(1), pd.Series([""]))
    came = np.array([1])
    # (0.2 − 0)² + (0.6 − 1)² + 0 = 0.20; knowing only day 0: 0.04
    assert accuracy.crps(curve, came)[0] == pytest.approx(0.20)
    assert accuracy.crps(curve, came, np.array([0]))[0] == pytest.approx(0.04)
    assert accuracy.brier(curve, came, day=0) == pytest.approx(0.04)
    assert accuracy.brier(curve, came, day=30) == pytest.approx(0.0)
    value = accuracy.pit(curve, came, rng=np.random.default_rng(0))[0]
    assert 0.2 <= value <= 0.6
    assert accuracy.pit_distance(np.array([0.5])) == 0.5


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_c_index_counts_pairs(rows):
    guess, days, paid = (np.array(column) for column in zip(*rows, strict=True))
    right = usable = 0.0
    for i in range(len(rows)):
        for j in range(len(rows)):
            if paid[i] and (days[i] < days[j] or (days[i] == days[j] and not paid[j])):
                usable += 1
                right += 1.0 if guess[i] < guess[j] else 0.5 if guess[i] == guess[j] else 0.0
    found = accuracy.c_index(guess, days, paid)
    assert np.isnan(found) if usable == 0 else found == pytest.approx(right / usable)


def test_spells_of_a_ledger(sample):
    as_of = pd.Timestamp("2025-06-30")
    known = spells.build(sample, as_of)
    table = known.table
    assert (table["stop"] <= as_of).all() and (table["start"] <= table["stop"]).all()
    assert table.groupby(["invoice_id", "part"])["paid"].sum().max() == 1
    argued = set(sample.tables["disputes"].query("opened_on <= @as_of")["invoice_id"])
    assert set(table.loc[table["disputed"] == "yes", "invoice_id"]) <= argued
    lost = sample.tables["write_offs"]
    lost = set(lost.loc[(lost["written_off_on"] <= as_of) & (lost["amount"] > 0), "invoice_id"])
    assert lost and not table.loc[table["invoice_id"].isin(lost), "paid"].any()
    # disputed spells pay less often: the coefficient must be clearly negative at every stretch
    model = payment_time.fit(table, ["disputed"], own=["past_median"])
    errors = model.hazard.clustered_errors(table)
    rows = model.hazard.table(errors).set_index("name")
    assert (rows.loc[[f"disputed=yes@{s}" for s in ("early", "due", "late")], "high"] < 0).all()
    # never-pays share: written-off and hopeless items stay unpaid
    curves = model.curves(known.open_rows, horizon=365)
    old = (as_of - known.open_rows["due_date"]).dt.days.to_numpy() > 180
    assert curves.never[old].mean() > 0.5 > curves.never[~old].mean()


def test_tuning_looks_only_at_the_past():
    known = spells.from_table(habitual(), pd.Timestamp("2025-01-15"))
    grid = (habits.Habit(2, 5, 300), habits.Habit(1e9, 1e9, 300))
    found = tuning.tune(known, [], own=["past_median"], window_days=90, grid=grid)
    assert found.habit == grid[0] and found.trials["chosen"].sum() == 1  # habits are all there is to know here
    with pytest.raises(CollectionError, match="too few"):
        tuning.tune(known, [], own=["past_median"], window_days=1000, grid=grid)


def test_refusals():
    table = planted(50, 3)
    with pytest.raises(CollectionError, match="paid in advance"):
        hazards.fit(table.assign(stop=table["start"] - DAY))
    with pytest.raises(CollectionError, match="no spell ends in a payment"):
        hazards.fit(table.assign(paid=False))
    with pytest.raises(CollectionError, match="lacks the factor column 'colour'"):
        cells.learn_factors(table, ["colour"])
    with pytest.raises(CollectionError, match="spells lack paid"):
        hazards.fit(table.drop(columns="paid"))
    with pytest.raises(CollectionError, match="starts must rise"):
        AgeBands((3, 2))
    with pytest.raises(CollectionError, match="above zero"):
        habits.Habit(kappa=0)
    ahead = flat("C", [0, -30])
    assert spells.from_table(ahead, pd.Timestamp("2024-06-30")).left_out == 1
