"""Row 0: the lights of a verdict, the words before the colon of "light: reason" in every page, deck and run.json."""

OK, ACT, STOP, NOT_KNOWN, NOT_MEASURED = "ok", "act", "stop", "not known", "not measured"
LIGHTS = (OK, ACT, STOP, NOT_KNOWN, NOT_MEASURED)
UNKNOWN = (NOT_KNOWN, NOT_MEASURED)  # there is nothing to judge by: neither good nor bad
