import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

from credit_lab import ledger

# `HYPOTHESIS_PROFILE=thorough make test` tries many more ledgers than a daily run.
settings.register_profile("daily", max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "daily"))

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def sample():
    """The bundled synthetic ledger."""
    return ledger.read(ROOT / "data" / "sample")


@pytest.fixture
def write_ledger(tmp_path):
    """Write a small ledger from dicts of rows and give back its folder."""

    def write(**tables):
        for name, rows in tables.items():
            pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def real_data():
    """Folder of the real data sets, which are not ours to publish."""
    folder = Path(os.environ.get("CREDIT_LAB_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real data not here; set CREDIT_LAB_DATA to their folder")
    return folder
