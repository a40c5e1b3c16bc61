"""Reference pages of the documentation site, one per public part of the package: a hook of mkdocs and of griffe.

The list comes from the package itself, so a new module has a page without anyone thinking of it.
"""

import pkgutil
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import griffe
from mkdocs.structure.files import File, Files

import credit_lab

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

# Compiled kernels and their records: no one calls them but the module beside them.
_INNER = {"kernel", "heap", "accounts", "optimum"}
_DOCTEST = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)  # up to an empty line
_SOURCES = re.compile(r"^References\n-+\n", re.MULTILINE)
_NAMED = re.compile(r"^(?:Parameters|Attributes)\n-+\n.*?(?=\n\n\S|\Z)", re.MULTILINE | re.DOTALL)
_MEANING = re.compile(r"^(\S.*?) : ", re.MULTILINE)


class Readable(griffe.Extension):
    """What Markdown or numpydoc would read as something else.

    Here `name : meaning` says what a parameter means, not its type, which stands in the signature; doctests stand in
    the text; sources are a paragraph.
    """

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring before it is parsed."""
        if obj.docstring is None:
            return
        text = _SOURCES.sub("**Sources.** ", obj.docstring.value)
        text = _NAMED.sub(lambda found: _MEANING.sub(r"\1\n    ", found[0]), text)
        if "Examples\n---" not in text:
            text = _DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", text)
        obj.docstring.value = text


def on_config(config: "MkDocsConfig") -> "MkDocsConfig":
    """Fill the empty entry `Reference` of the navigation."""
    for entry in config.nav or ():
        if entry.get("Reference") == []:
            entry["Reference"] = [{part: f"reference/{part}.md"} for part in credit_lab.__all__]
    return config


def on_files(files: Files, config: "MkDocsConfig") -> Files:
    """Add the pages themselves."""
    for part in credit_lab.__all__:
        own, *inside = _modules(part)
        # A package shows its docstring only: what it offers is described where it is defined.
        text = f"::: {own}\n    options:\n      heading_level: 1\n" + ("      members: false\n" if inside else "")
        text += "".join(f"\n::: {name}\n" for name in inside)
        files.append(File.generated(config, f"reference/{part}.md", content=text))
    return files


def _modules(part: str) -> list[str]:
    """The module, or the package and its public modules."""
    spec = find_spec(f"credit_lab.{part}")
    folders = spec.submodule_search_locations if spec else None
    names = sorted(one.name for one in pkgutil.iter_modules(folders)) if folders else []
    inside = [name for name in names if name not in _INNER and not name.startswith("_")]
    return [f"credit_lab.{part}", *(f"credit_lab.{part}.{name}" for name in inside)]
