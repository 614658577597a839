"""A broker that speaks TLS and asks for passwords: its certificate, its users, and how a configuration reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from deploy.services.kafka import Broker, Login

__all__ = ["PASSWORD", "Secured"]

USER: Final = "learner"
PASSWORD: Final = 'pass"wörd\\'  # what JAAS has to escape


@dataclass(frozen=True, slots=True)
class Secured:
    """Files of a certificate authority, a certificate signed by it, and a password."""

    folder: Path

    def login(self) -> Login:
        """What the broker needs."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self._authority)
        certificate = authority.issue_cert("127.0.0.1")
        key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
        file = self.folder / "broker.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))  # all that Java reads
        for each in certificate.cert_chain_pems:
            each.write_to_path(file, append=True)
        self._password.write_text(f"{PASSWORD}\n")
        return Login(file, USER, PASSWORD)

    def add_user(self, broker: Broker) -> None:
        """Have a broker that runs know the user by SCRAM as well."""
        with closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
            admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, PASSWORD)]
            )

    def connection(self, broker: Broker, mechanism: str) -> Mapping[str, Any]:
        """The configuration that reaches it."""
        return {
            "bootstrap_servers": broker.secured_address,
            "security_protocol": "SASL_SSL",
            "ca_file": str(self._authority),
            "sasl_mechanism": mechanism,
            "username": USER,
            "password": {"file": str(self._password)},
        }

    @property
    def _authority(self) -> Path:
        return self.folder / "authority.pem"

    @property
    def _password(self) -> Path:
        return self.folder / "password"
