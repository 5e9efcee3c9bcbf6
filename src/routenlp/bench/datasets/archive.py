"""Files out of a repository's tar.gz, without ever writing one under a name that the archive chose."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from routenlp.bench.datasets.pins import Archive
from routenlp.errors import CorruptData

REFUSED = "Do not use this archive: it is not the pinned source"


def read_archive(path: Path, content: Archive, *, subject: str) -> dict[str, bytes]:
    """The wanted regular files of the archive at `path` (named `subject` in errors), by their path in the repository.

    Hosts put everything into one top folder, which is taken off. Links and devices are passed over. Raises
    `CorruptData` for an archive that cannot be read, unpacks to more than it may, names a file twice, or names one
    outside its folder: nothing here would be written there, but such an archive is not what was asked for.
    """
    members: dict[str, bytes] = {}
    unpacked = 0
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                unpacked += member.size
                if unpacked > content.max_unpacked_bytes:
                    problem = f"unpacks to more than the {content.max_unpacked_bytes:,} bytes allowed for it"
                    raise CorruptData(subject, problem, REFUSED)
                name = _inside(member.name, subject)
                if member.isreg() and _is_wanted(name, content.wanted):
                    _keep(members, name, archive, member, subject)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as exc:
        raise CorruptData(subject, f"is not a whole tar.gz archive: {exc}", "Run the command again") from exc
    return members


def _inside(name: str, subject: str) -> str:
    """`name` without the top folder."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name:
        raise CorruptData(subject, f"holds a member outside its folder: {name!r}", REFUSED)
    return "/".join(parts[1:])


def _is_wanted(name: str, wanted: tuple[str, ...]) -> bool:
    return any(name.startswith(path) if path.endswith("/") else name == path for path in wanted)


def _keep(
    members: dict[str, bytes], name: str, archive: tarfile.TarFile, member: tarfile.TarInfo, subject: str
) -> None:
    if name in members:
        raise CorruptData(subject, f"holds two members named {name!r}", REFUSED)
    file = archive.extractfile(member)
    if file is not None:
        members[name] = file.read()
