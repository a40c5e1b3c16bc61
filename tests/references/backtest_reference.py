"""Reference numbers of other programs for the backtest tests; writes backtest_*.csv and backtest_reference.json here.

Run in an environment of its own with: csdid 0.4.3, differences 0.3.0, pysyncon 1.7.0, rdrobust 2.1.1, arch 8.0.0.
The examples are drawn here once and kept, so that both sides read the same rows.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
warnings.simplefilter("ignore")


def did_example(rng):
    start = rng.choice([4, 6, 8, 0], 90)
    rows = []
    for i, g in enumerate(start):
        own = rng.normal(5, 1)
        for t in range(1, 11):
            gain = 0.15 * (t - g + 1) if g and t >= g else 0.0
            rows.append((i, i // 2, t, g, round(own + 0.1 * t + gain + rng.normal(), 6)))
    return pd.DataFrame(rows, columns=["unit", "village", "time", "start", "y"])


def from_csdid(table):
    from csdid.att_gt import ATTgt

    fit = ATTgt(
        yname="y", tname="time", idname="unit", gname="start", data=table.copy(), control_group=["notyettreated"]
    ).fit(est_method="dr", base_period="universal", bstrap=False)
    fit.summ_attgt(n=12)
    out = {}
    results = fit.results
    out["cells"] = [
        [int(g), int(t), float(a), float(s)]
        for g, t, a, s in zip(results["group"], results["year"], results["att"], results["se"], strict=True)
        if s == s
    ]
    fit.aggte(typec="simple", bstrap=False, cband=False)
    out["simple"] = [float(fit.atte["overall_att"]), float(fit.atte["overall_se"])]
    fit.aggte(typec="dynamic", bstrap=False, cband=False)
    out["event"] = [
        [int(e), float(a), float(s)]
        for e, a, s in zip(fit.atte["egt"], fit.atte["att_egt"], fit.atte["se_egt"], strict=True)
        if s == s
    ]
    return out


def from_differences(table):
    from differences import ATTgt

    data = table.assign(start=table["start"].replace(0, np.nan)).set_index(["unit", "time"])
    fit = ATTgt(data=data[["start", "y"]], cohort_column="start", base_period="universal")
    fit.fit("y", control_group="not_yet_treated", est_method="reg", progress_bar=False)
    simple = fit.aggregate("simple")
    return {"simple": [float(x) for x in np.asarray(simple).ravel()[:2]]}


def from_pysyncon(table):
    from pysyncon import Synth

    x0, x1 = table.drop(columns="treated"), table["treated"]
    before = table.index < 24
    synth = Synth()
    spread = pd.concat([x0, x1], axis=1)[before].std(axis=1).to_numpy()
    # pysyncon scales rows by their spread: undo it. Its solver (SLSQP) starts from equal weights and stops when the
    # loss changes by less than 1e-6, so fit a loss blown up in steps and keep the best answer.
    best = None
    for blow in 10.0 ** np.arange(0, 5, 0.05):
        synth.fit(X0=x0[before], X1=x1[before], Z0=x0[before], Z1=x1[before], custom_V=spread**2 * blow)
        loss = float(((x1[before] - x0[before] @ synth.W) ** 2).sum())
        if best is None or loss < best[0]:
            best = (loss, synth.W.copy())
    synth.W = best[1]
    gap = (x1 - x0 @ synth.W)[~before].mean()
    return {"weights": dict(zip(x0.columns, map(float, synth.W), strict=True)), "gap": float(gap)}


def from_rdrobust(table):
    from rdrobust import rdrobust

    fit = rdrobust(table["y"], table["x"], c=0, h=0.8, b=0.8, vce="hc1")
    return {
        "coef": [float(v) for v in np.asarray(fit.coef).ravel()],
        "se": [float(v) for v in np.asarray(fit.se).ravel()],
        "chosen": float(np.asarray(rdrobust(table["y"], table["x"], c=0).bws).ravel()[0]),
    }


def from_arch(table):
    from arch.bootstrap import SPA

    test = SPA(np.zeros(len(table)), -table.to_numpy(), block_size=4, reps=20000, bootstrap="stationary", seed=1)
    test.compute()
    plain = {name: float(p) for name, p in test.pvalues.items()}
    # arch 8.0.0 computes the variances but does not divide by them: scaled columns give Hansen's studentised test.
    scaled = table / np.sqrt(test._loss_diff_var)
    other = SPA(np.zeros(len(table)), -scaled.to_numpy(), block_size=4, reps=20000, bootstrap="stationary", seed=1)
    other.compute()
    return {"plain": plain, "studentised": {name: float(p) for name, p in other.pvalues.items()}}


def main():
    rng = np.random.default_rng(20240601)
    did = did_example(rng)
    donors = rng.normal(10, 1, (36, 5))
    treated = donors[:, :3] @ [0.5, 0.3, 0.2] + rng.normal(0, 0.3, 36)
    treated[24:] += 1.5
    synth = pd.DataFrame(donors, columns=[f"d{j}" for j in range(5)]).assign(treated=treated).round(6)
    x = rng.normal(0.1, 1, 800)
    rd = pd.DataFrame({"x": x, "y": 1 + x + 0.5 * x**2 - 0.7 * (x >= 0) + rng.standard_t(5, 800)}).round(6)
    gains = pd.DataFrame(
        np.random.default_rng(3).normal([0.15, 0, -0.05, 0.05, -0.6], 1, (120, 5)), columns=list("abcde")
    ).round(6)
    did.to_csv(HERE / "backtest_did.csv", index=False)
    synth.to_csv(HERE / "backtest_synthetic.csv", index=False)
    rd.to_csv(HERE / "backtest_discontinuity.csv", index=False)
    gains.to_csv(HERE / "backtest_spa.csv", index=False)
    numbers = {
        "csdid": from_csdid(did),
        "differences": from_differences(did),
        "pysyncon": from_pysyncon(synth),
        "rdrobust": from_rdrobust(rd),
        "arch": from_arch(gains),
    }
    (HERE / "backtest_reference.json").write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
