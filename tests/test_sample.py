import filecmp

import pandas as pd

from credit_lab import ledger, synthetic
from credit_lab.ledger import reconcile


def test_the_committed_sample_is_what_the_generator_makes(tmp_path):
    made = synthetic.generate(synthetic.Firm(), 1)
    ledger.write(made.tables, tmp_path / "sample")
    ledger.write(made.truth, tmp_path / "sample" / "truth")
    names = [f"{name}.csv" for name in made.tables] + [f"truth/{name}.csv" for name in made.truth]
    _, differ, lacking = filecmp.cmpfiles("data/sample", tmp_path / "sample", names, shallow=False)
    assert (differ, lacking) == ([], []), "run `make sample` and look at the difference"


def test_the_committed_register_export_says_what_the_facts_say(sample):
    made = synthetic.register_export(sample.tables["facts"])
    read = pd.read_csv("data/sample/register/public_register.csv", dtype="str")
    assert read.fillna("").equals(made.astype("str").fillna("").replace("nan", "").astype(read.dtypes))


def test_nothing_of_the_sample_is_quarantined_and_the_control_account_agrees(sample):
    assert sample.quarantine.empty
    assert (reconcile.against_control(sample)["difference"] == 0).all()
