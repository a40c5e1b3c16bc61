"""Row 0: names that become files of a chosen folder, and never lead out of it."""

from credit_lab.errors import CreditLabError


def inside(name: str, what: str, error: type[CreditLabError]) -> str:
    """`name` as the name of a file, without the spaces around it.

    Parameters
    ----------
    what : begins the message: "policy name"
    error : class of what is raised

    Raises
    ------
    CreditLabError
        As `error`: empty, begins with a dot, or holds a sign that means something to a file system.
    """
    plain = name.strip()
    if not plain or plain.startswith(".") or any(sign in '/\\:*?"<>|' or sign < " " for sign in plain):
        raise error(f'{what} {name!r}: a name without / \\ : * ? " < > | and line breaks, not beginning with a dot')
    return plain
