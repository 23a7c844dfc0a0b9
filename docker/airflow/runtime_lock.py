"""requirements.lock less what only the extra `dev` needs. Standard library alone: it runs before anything is installed.

In: pyproject.toml and requirements.lock, both named as arguments. Out, on standard output: the same blocks with the same hashes,
for every package that the project's own dependencies lead to. Who needs a package is what the lock's `# via` lines say.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

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


if __name__ == "__main__":
    project, lock_file = map(Path, sys.argv[1:3])
    wanted = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    sys.stdout.write(runtime_lock(wanted, lock_file.read_text(encoding="utf-8")))
