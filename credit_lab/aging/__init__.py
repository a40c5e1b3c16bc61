"""Row 3: what is open, how old it is, at any date; every table adds up to the control account."""

from credit_lab import lazy
from credit_lab.aging.buckets import Buckets
from credit_lab.aging.engine import Store, store, store_at, stored
from credit_lab.aging.foreign_currency import revaluation
from credit_lab.aging.items import bucket_sums, bucket_table, only_invoices, open_items
from credit_lab.aging.many_dates import series

__all__ = [
    "Buckets",
    "Store",
    "bucket_sums",
    "bucket_table",
    "only_invoices",
    "open_items",
    "provision",
    "revaluation",
    "roll_rates",
    "series",
    "store",
    "store_at",
    "stored",
    "vintage",
]

lazy.attach(__name__)
