"""requirements.lock less what only tests, linters and unwanted extras need. Standard library alone: it runs before anything is installed.

In: pyproject.toml and requirements.lock, both named as arguments, and extras that are wanted too, comma separated. Out, on standard output: the
same blocks with the same hashes, for every package that the project's own dependencies and those extras lead to. Who needs a package is
what the lock's `# via` lines say.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==.*\n(?:[ \t]+.*\n?)*", re.MULTILINE)
_VIA = re.compile(r"^ +#(?: via)? +([A-Za-z0-9_.-]+)", re.MULTILINE)


def runtime_lock(dependencies: list[str], lock: str) -> str:
    """The blocks of `lock` that `dependencies` lead to, in their order; ValueError when one is not in it."""
    blocks = {found["name"]: found[0] for found in _BLOCK.finditer(lock)}
    needed = {_name(wish) for wish in dependencies}
    if missing := needed - set(blocks):
        raise ValueError(f"the lock lacks {', '.join(sorted(missing))}: run make lock")
    parents = {name: set(_VIA.findall(block)) for name, block in blocks.items()}
    while more := {name for name, via in parents.items() if name not in needed and via & needed}:
        needed |= more
    return "".join(block for name, block in blocks.items() if name in needed)


def _name(wish: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", wish, maxsplit=1)[0].lower().replace("_", "-")


def wished(project: dict[str, Any], extras: str) -> list[str]:
    """What the project depends on, with these extras, comma separated; ValueError when there is no such extra."""
    names = [name for name in extras.split(",") if name]
    known = project["optional-dependencies"]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"pyproject.toml has no extra {', '.join(unknown)}, only {', '.join(known)}")
    return [*project["dependencies"], *(wish for name in names for wish in known[name])]


if __name__ == "__main__":
    project_file, lock_file = map(Path, sys.argv[1:3])
    found = tomllib.loads(project_file.read_text(encoding="utf-8"))["project"]
    sys.stdout.write(
        runtime_lock(wished(found, "".join(sys.argv[3:4])), lock_file.read_text(encoding="utf-8"))
    )
