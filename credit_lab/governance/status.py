"""May this model be used? What the register says about one model on one day, as a verdict for page one."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from credit_lab.governance.entries import Register
from credit_lab.governance.identity import Identity
from credit_lab.governance.model import Model
from credit_lab.periods import takes_days


@dataclass(frozen=True)
class Standing:
    """light (ok, act, stop), what to say, and the model if it is registered."""

    light: str
    text: str
    model: Model | None


@takes_days
def standing(register: Register, identity: Identity, day: pd.Timestamp) -> Standing:
    """ok: an approved champion within its time; act: anything else but a retired model, which is stop."""
    what = f"{identity.kind.replace('_', '-')} {identity.name} ({identity.id})"
    model = register.models.get(identity.id)
    if model is None:
        return Standing("act", f"{what} is not in the register of models: nobody has approved it", None)
    if model.state == "retired":
        return Standing("stop", f"{what} is retired: {model.reason}", model)
    if model.expired(day):
        return Standing("act", f"{what} expired on {model.expires_on}; approve it anew or replace it", model)
    if model.state != "champion":
        said = "a draft nobody has approved" if model.state == "draft" else "a challenger, not approved to decide"
        return Standing("act", f"{what} is {said}", model)
    return Standing("ok", f"{what} is champion until {model.expires_on}, approved by {model.approver}", model)


@takes_days
def verdicts(register: Register, used: Iterable[Identity], day: pd.Timestamp) -> dict[str, str]:
    """The verdict "models approved" for everything a report used; none where no register is kept."""
    if not register.entries:
        return {}
    found = [standing(register, one, day) for one in used]
    light = max((one.light for one in found), key=("ok", "act", "stop").index, default="ok")
    said = [one.text for one in found if one.light == light] if light != "ok" else [one.text for one in found]
    return {"models approved": f"{light}: {'; '.join(said)}"}
