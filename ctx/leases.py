"""Who holds what: names of processes, and the lease row by which one dispatcher serves a store."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from functools import cache
from pathlib import Path

from sqlalchemy import and_, delete, exc, insert, or_, select, update

from ctx.connection import Base
from ctx.schema import leases


@cache
def machine() -> str:
    """The name of this machine and of the space in which it tells processes apart (a container has its own)."""
    space = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}-{space.stat().st_ino if space.exists() else 0}"


def new_holder() -> str:
    """A name for this process as the holder of a lease: machine, process number, a random part."""
    return f"{machine()}:{os.getpid()}:{secrets.token_hex(4)}"


def surely_dead(holder: str | None) -> bool:
    """Whether the holder was a process of this machine that is there no more; False where that can't be known."""
    place, _, rest = (holder or "").rpartition(":")[0].rpartition(":")
    if place != machine() or not rest.isdigit() or sys.platform == "win32":
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class Leases(Base):
    """Lease rows: at most one live holder a name."""

    def lease_holder(self, name: str) -> str | None:
        """Who holds a live lease; None where it is free, expired, or its holder has died."""
        with self._reading() as connection:
            found = connection.execute(select(leases).where(leases.c.name == name)).first()
        if found is None or found.until < time.time() or surely_dead(found.owner):
            return None
        return str(found.owner)

    def take_lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew a lease; False where another holds it."""
        now = time.time()
        with self._reading() as connection:
            before = connection.execute(select(leases.c.owner).where(leases.c.name == name)).scalar()
        free = or_(leases.c.owner == holder, leases.c.until < now)
        if surely_dead(before):
            free = or_(free, leases.c.owner == before)
        values = {"owner": holder, "until": now + seconds}
        try:
            with self._writing() as connection:
                if connection.execute(update(leases).where(leases.c.name == name, free).values(**values)).rowcount:
                    return True
                if before is not None:
                    return False
                connection.execute(insert(leases).values(name=name, **values))
        except exc.IntegrityError:  # another was quicker
            return False
        return True

    def give_lease(self, name: str, holder: str) -> None:
        """Give a lease back."""
        with self._writing() as connection:
            connection.execute(delete(leases).where(and_(leases.c.name == name, leases.c.owner == holder)))
