"""A real directory for tests: OpenLDAP's slapd with a small database, in clear, with StartTLS, and in TLS."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from feedback.model import Endpoint
from tests.checks.servers import process
from tests.checks.tls_files import Pair

SUFFIX = "dc=example,dc=com"
LOST = "dc=lost,dc=example"
"""What belongs to a database that can't be reached."""

USER = f"cn=monitor,{SUFFIX}"
PASSWORD = "se(cr)*et\\ é"

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload back_ldap
pidfile {directory}/slapd.pid
argsfile {directory}/slapd.args
TLSCertificateFile {pair.certificate}
TLSCertificateKeyFile {pair.key}
{more}

database mdb
suffix "{suffix}"
directory {directory}/database
maxsize 16777216
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=secret,{suffix}" by dn.base="{user}" read by * none
access to * by * read

database ldap
suffix "{lost}"
uri "ldapi://%2Fnowhere"
"""

ENTRIES = """
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: example
o: Example, Inc. (Köln)

dn: {user}
objectClass: person
cn: monitor
sn: Monitor
userPassword: {password}

dn: ou=people,{suffix}
objectClass: organizationalUnit
ou: people
description: (*)

dn: ou=secret,{suffix}
objectClass: organizationalUnit
ou: secret
description: for the monitor alone

dn: ou=elsewhere,{suffix}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://ldap2.example.com/ou=elsewhere,{suffix}
"""

PERSON = """
dn: uid={name},ou=people,{suffix}
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
mail: {name}@example.com
"""

PEOPLE = ("anna", "bernd", "cem")


class Slapd(msgspec.Struct, frozen=True):
    """Its process, its ports, and where its log is."""

    process: subprocess.Popen[bytes]
    port: int
    tls_port: int
    directory: Path

    def endpoint(self, address: str = "127.0.0.1") -> Endpoint:
        return Endpoint(address, self.port)

    def tls_endpoint(self, address: str = "127.0.0.1") -> Endpoint:
        return Endpoint(address, self.tls_port)

    def log(self) -> str:
        """Return what it has logged since its start."""
        return (self.directory / "log").read_text()


@contextlib.contextmanager
def slapd(directory: Path, pair: Pair, more: str = "") -> Iterator[Slapd]:
    """Run it within the block, on both loopback addresses. `more` is configuration that stands before the databases."""
    (directory / "database").mkdir(parents=True)
    program = process.copied("slapd", "slapd", directory)
    config = directory / "slapd.conf"
    config.write_text(CONFIG.format(directory=directory, pair=pair, suffix=SUFFIX, lost=LOST, user=USER, more=more))
    entries = ENTRIES.format(suffix=SUFFIX, user=USER, password=PASSWORD)
    entries += "".join(PERSON.format(name=name, suffix=SUFFIX) for name in PEOPLE)
    add = [program, "-T", "add", "-f", str(config)]
    subprocess.run(add, input=entries, text=True, cwd=directory, check=True, capture_output=True, timeout=30)
    port, tls_port = process.free_port(), process.free_port()
    listeners = [f"ldap://{host}:{port}/ ldaps://{host}:{tls_port}/" for host in ("127.0.0.1", "[::1]")]
    command = [program, "-d", "stats", "-f", str(config), "-h", " ".join(listeners)]
    ready = process.accepts(*(Endpoint(address, p) for address in ("127.0.0.1", "::1") for p in (port, tls_port)))
    with process.running(command, directory, ready) as server:
        yield Slapd(server, port, tls_port, directory)
