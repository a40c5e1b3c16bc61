"""Row 2: what a policy says about one case, one function a question, asked by everyone.

`default` (is the customer in default), `standing` (who holds a limit, which one stands), `exposure`,
`grades`, `limits` (by formula, on trial, after a review), `holds` (may the order go out), `ladder`
(which step of collection is due), `coverage` (which engine reads which setting).
"""

from credit_lab import lazy

__all__ = ["coverage", "default", "exposure", "forms", "grades", "holds", "ladder", "limits", "standing"]

lazy.attach(__name__)
