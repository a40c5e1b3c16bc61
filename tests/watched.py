"""Functions of a policy that remember what they read of it, so that they run again only where that has changed."""

import contextlib

from credit_lab.policy.base import Section
from credit_lab.policy.sections import Policy
from credit_lab.rules import coverage


def places(section=Policy, before=""):
    """Place in the policy of each class of sections: {Grade: "grades.scale."}."""
    found = {section: before}
    for name, info in section.model_fields.items():
        kind = info.annotation
        kind = next(iter(getattr(kind, "__args__", ())), kind)
        if isinstance(kind, type) and issubclass(kind, Section):
            found |= places(kind, f"{before}{name}.")
    return found


PLACES, ALL = places(), frozenset(coverage.settings())
READERS: list[set] = []


@contextlib.contextmanager
def reading(into):
    """Note down every setting that is read; those of a function within another count for both."""
    READERS.append(into)
    try:
        yield
    finally:
        READERS.pop()


def note(section, name):
    """A field of a section is read."""
    for into in READERS:
        into.add(PLACES[section] + name)


def spy(monkeypatch):
    """Watch every section of every policy from now on."""
    plain, dump = Section.__getattribute__, Section.model_dump

    def get(self, name):
        if READERS and name in type(self).model_fields:
            note(type(self), name)
        elif READERS and name == "__dict__":  # nobody knows what is taken from it
            for one in type(self).model_fields:
                note(type(self), one)
        return plain(self, name)

    def dumped(self, **options):
        place = PLACES[type(self)]
        for into in READERS:
            into.update(one for one in ALL if one.startswith(place))
        with quiet():
            return dump(self, **options)

    monkeypatch.setattr(Section, "__getattribute__", get)
    monkeypatch.setattr(Section, "model_dump", dumped)


@contextlib.contextmanager
def quiet():
    """Read without being watched."""
    kept = READERS[:]
    READERS.clear()
    try:
        yield
    finally:
        READERS[:] = kept


def value(section, place):
    """What a policy says at a place; of a list, of all its entries."""
    if isinstance(section, tuple):
        return tuple(value(one, place) for one in section)
    name, _, rest = place.partition(".")
    return value(getattr(section, name), rest) if rest else getattr(section, name)


class Watched:
    """A function of a policy that is run once for all policies that agree in what it has ever read."""

    def __init__(self, function):
        self.function, self.reads, self.kept = function, set(), []

    def __call__(self, policy):
        with quiet():
            now = {one: value(policy, one) for one in ALL}
        same = (r for said, r in self.kept if all(said[one] == now[one] for one in self.reads))
        result = next(same, None)
        if result is None:
            seen = set()
            with reading(seen):
                result = self.function(policy)
            self.reads |= seen & ALL
            self.kept.append((now, result))
        for into in READERS:
            into |= self.reads
        return result
