"""What no ledger can say about a world: assumptions, each with the range it is scanned over."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Assumptions:
    """What the ledger cannot identify; each with a range for scans.

    Attributes
    ----------
    level_effect : factor on the hazard after each stage of collection, in order; `level_range` multiplies its excess
        over one
    elasticity : change of orders per day of term
    leave_share : chance that a customer leaves for good when an order is refused
    discount_taken : share of invoices that take a discount where one is offered
    notice_effect : factor on the hazard of payment after a notice before the due date, where the policy sends one
    correlation : of default times with one common factor
    growth_change : standard deviation of what the growth of orders in the year ahead differs by from that of the last,
        drawn with the parameters; differences between policies do not depend on it, so that it is not scanned
    """

    level_effect: tuple[float, ...] = (1.3, 1.6, 1.8, 2.0)
    level_range: tuple[float, float] = (0.0, 2.0)
    elasticity: float = 0.0
    elasticity_range: tuple[float, float] = (0.0, 0.004)
    leave_share: float = 0.0
    leave_range: tuple[float, float] = (0.0, 0.2)
    discount_taken: float = 0.3
    discount_range: tuple[float, float] = (0.1, 0.6)
    notice_effect: float = 1.1
    notice_range: tuple[float, float] = (1.0, 1.3)
    correlation: float = 0.12
    correlation_range: tuple[float, float] = (0.0, 0.25)
    growth_change: float = 0.05

    def sentences(self) -> tuple[str, ...]:
        """To be printed beside every result."""
        factors = ", ".join(f"{factor:g}" for factor in self.level_effect)
        return (
            f"ASSUMED: stages of collection multiply the daily hazard of payment by {factors}; scanned from "
            f"{self.level_range[0]:g} to {self.level_range[1]:g} times the excess over one.",
            f"ASSUMED: orders change by {self.elasticity:.2%} per day of term; scanned from "
            f"{self.elasticity_range[0]:.2%} to {self.elasticity_range[1]:.2%}.",
            f"ASSUMED: an order refused is lost, and {self.leave_share:.0%} of the customers then leave for good; "
            f"scanned from {self.leave_range[0]:.0%} to {self.leave_range[1]:.0%}.",
            f"ASSUMED: {self.discount_taken:.0%} of invoices take a discount if there is one; scanned from "
            f"{self.discount_range[0]:.0%} to {self.discount_range[1]:.0%}.",
            f"ASSUMED: a notice before the due date multiplies the daily hazard of payment by {self.notice_effect:g}; "
            f"scanned from {self.notice_range[0]:g} to {self.notice_range[1]:g}.",
            f"ASSUMED: default times are correlated by {self.correlation:g} through one common factor; scanned from "
            f"{self.correlation_range[0]:g} to {self.correlation_range[1]:g}.",
            f"ASSUMED: orders grow in the year ahead as in the last one, give or take {self.growth_change:.0%} "
            f"(standard deviation).",
        )

    def cases(self) -> dict[str, "Assumptions"]:
        """The ends of each range, one at a time: label -> assumptions."""
        found: dict[str, Assumptions] = {}
        for factor in self.level_range:
            effect = tuple(1 + (value - 1) * factor for value in self.level_effect)
            found[f"collection effect × {factor:g}"] = replace(self, level_effect=effect)
        for name, words, form in (
            ("elasticity", "orders per day of term", "+.2%"), ("leave_share", "leave after a refusal", ".0%"),
            ("discount_taken", "take a discount", ".0%"), ("notice_effect", "effect of a notice", "g"),
            ("correlation", "correlation of defaults", "g"),
        ):  # fmt: skip
            ends = getattr(
                self,
                {"leave_share": "leave", "discount_taken": "discount", "notice_effect": "notice"}.get(name, name)
                + "_range",
            )
            for value in ends:
                if value != getattr(self, name):
                    found[f"{words} {value:{form}}"] = replace(self, **{name: value})
        return found
