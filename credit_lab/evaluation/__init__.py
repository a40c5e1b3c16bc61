"""Row 4: evaluation (信用评价): expert judgement, figures and judgement joined into one score and grade, explained."""

from credit_lab import lazy
from credit_lab.evaluation.ahp import Weights, inconsistent_triple, weights_from_pairs
from credit_lab.evaluation.composite import Evaluated, evaluate, evidence_items, explain
from credit_lab.evaluation.experts import Template, judge, load_template
from credit_lab.evaluation.grading import migration, override
from credit_lab.evaluation.indicators import figures, industries, statement_ratios
from credit_lab.evaluation.industry import industry_index, turning_points
from credit_lab.evaluation.nested_models import Nested, nested
from credit_lab.evaluation.raters import agreement, icc, weighted_kappa

__all__ = [
    "Evaluated",
    "Nested",
    "Template",
    "Weights",
    "agreement",
    "evaluate",
    "evidence_items",
    "explain",
    "figures",
    "icc",
    "inconsistent_triple",
    "industries",
    "industry_index",
    "judge",
    "load_template",
    "migration",
    "nested",
    "override",
    "statement_ratios",
    "turning_points",
    "weighted_kappa",
    "weights_from_pairs",
]

lazy.attach(__name__)
