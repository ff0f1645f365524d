"""Where a trial may lie: on a disk of this machine, not on a network drive or in a folder that is synchronized.

The database's log needs shared memory and true file locks, which network drives do not give; a synchronizing program
copies the database and its log at different moments and puts the copies together again elsewhere.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from equipoise.foundation.errors import ConductError, Problem

CODES = {"C001": "The folder is on a network drive or is synchronized."}

NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb",
    "smb2",
    "smb3",
    "smbfs",
    "afs",
    "9p",
    "ncpfs",
    "coda",
    "ceph",
    "glusterfs",
    "lustre",
    "webdav",
    "davfs",
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.davfs",
    "fuse.gvfsd-fuse",
    "fuse.s3fs",
    "fuse.glusterfs",
    "afpfs",
    "vboxsf",
    "fuse.vmhgfs-fuse",
    "prl_fs",
}
_SYNCHRONIZED = (
    "onedrive",
    "dropbox",
    "google drive",
    "googledrive",
    "my drive",
    "icloud",
    "com~apple~clouddocs",
    "nextcloud",
    "owncloud",
    "box sync",
    "syncthing",
    "seafile",
    "pcloud",
    "mega",
    "megasync",
)
_MARKS = (".stfolder", ".dropbox", ".sync", ".nextcloudsync.log", ".owncloudsync.log", ".tresorit")


def require_local(path: Path) -> None:
    """Refuse a folder on a network drive or in a synchronized folder."""
    why = network_drive(path) or synchronized(path)
    if why:
        raise ConductError(
            Problem(
                "C001",
                str(path),
                f"{why} A database there loses or mixes up what was recorded.",
                "a folder on a disk of this machine that no program synchronizes",
                "Choose one, and take copies elsewhere with `equipoise backup`.",
            )
        )


def network_drive(path: Path, mounts: str | None = None) -> str:
    """Why ``path`` is on a network drive, in a sentence; empty where it is not, or where that cannot be told."""
    where = path.absolute()
    while not where.exists() and where != where.parent:
        where = where.parent
    where = where.resolve()
    if str(where).startswith(("\\\\", "//")):
        return "The folder is on a network share."
    if sys.platform == "win32":
        import ctypes

        remote = 4  # DRIVE_REMOTE
        if ctypes.windll.kernel32.GetDriveTypeW(where.anchor) == remote:
            return f"Drive {where.anchor} is a network drive."
        return ""
    kind = _kind_of_mount(where, _mounts() if mounts is None else mounts)
    return f"The folder is on a network drive ({kind})." if kind in NETWORK else ""


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text("utf-8", "replace")
    except OSError:
        pass
    import subprocess

    try:  # macOS: "//x@server/share on /Volumes/share (smbfs, nodev)"
        shown = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    lines = []
    for line in shown.splitlines():
        device, _, rest = line.partition(" on ")
        place, _, options = rest.rpartition(" (")
        lines.append(f"{device} {place.replace(' ', chr(92) + '040')} {options.split(',')[0].rstrip(')')}")
    return "\n".join(lines)


def _kind_of_mount(path: Path, mounts: str) -> str:
    best, kind = -1, ""
    for line in mounts.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        place = parts[1].replace("\\040", " ")
        if (path == Path(place) or Path(place) in path.parents) and len(place) >= best:
            best, kind = len(place), parts[2].lower()
    return kind


def synchronized(path: Path) -> str:
    """Why ``path`` is synchronized by a program, in a sentence; empty where nothing says so."""
    where = path.absolute()
    for folder in (where, *where.parents):
        name = folder.name.lower()
        if any(name == word or name.startswith((f"{word} ", f"{word}-", f"{word}_")) for word in _SYNCHRONIZED):
            return f"The folder {folder} is synchronized with other machines."
        for mark in _MARKS:
            if os.path.lexists(folder / mark) and folder != Path.home():
                return f"The folder {folder} is synchronized with other machines (it holds {mark})."
    return ""
