"""Variables that Kubernetes sets for Services, told from settings that are misspelt."""

import pytest

from mailsvc.domain.kubernetes import is_of_a_service


@pytest.mark.parametrize(
    ("variable", "value", "is_one"),
    [
        ("MAILSVC_SERVICE_HOST", "10.43.0.17", True),
        ("MAILSVC_SERVICE_HOST", "fd00::1", True),
        ("MAILSVC_SERVICE_HOST", "mail.app.test", False),
        ("MAILSVC_SERVICE_PORT", "8025", True),
        ("MAILSVC_SERVICE_PORT_HTTP_API", "1", True),
        ("MAILSVC_SERVICE_PORT", "65535", True),
        ("MAILSVC_SERVICE_PORT", "65536", False),
        ("MAILSVC_SERVICE_PORT", "0", False),
        ("MAILSVC_SERVICE_PORT", "0000001", False),
        ("MAILSVC_SERVICE_PORT", "", False),
        ("MAILSVC_SERVICE_PORT", "²", False),
        ("MAILSVC_SERVICE_PORT", "9" * 5000, False),
        ("MAILSVC_PORT", "tcp://10.43.0.17:8025", True),
        ("MAILSVC_PORT", "tcp://[fd00::1]:8025", True),
        ("MAILSVC_PORT", "8025", False),
        ("MAILSVC_PORT", "tcp://X10.43.0.17X:8025", False),
        ("MAILSVC_PORT", "http://10.43.0.17:8025", False),
        ("MAILSVC_PORT", "tcp://mail.app.test:8025", False),
        ("MAILSVC_PORT", "tcp://10.43.0.17:0", False),
        ("MAILSVC_PORT_8025_TCP", "sctp://10.43.0.17:8025", True),
        ("MAILSVC_PORT_8025_HTTP", "tcp://10.43.0.17:8025", False),
        ("MAILSVC_PORT_53_UDP_ADDR", "10.43.0.17", True),
        ("MAILSVC_PORT_53_UDP_ADDR", "53", False),
        ("MAILSVC_PORT_53_UDP_PORT", "53", True),
        ("MAILSVC_PORT_53_UDP_PORT", "10.43.0.17", False),
        ("MAILSVC_PORT_53_UDP_PROTO", "udp", True),
        ("MAILSVC_PORT_53_UDP_PROTO", "UDP", False),
        ("MAILSVC_HTTP_SERVICE_HOST", "10.43.0.17", True),
        ("MAILSVC_POSTGRES_REPLICA_PORT", "tcp://10.43.0.17:5432", True),
        ("MAILSVC_SERVICE_HOSTS", "10.43.0.17", False),
        ("MAILSVC_BIND", "10.43.0.17", False),
        ("OTHER_SERVICE_HOST", "10.43.0.17", False),
        ("SERVICE_HOST", "10.43.0.17", False),
    ],
)
def test_a_variable_of_a_service(variable: str, value: str, is_one: bool) -> None:
    """Both must fit, the name and the shape of the value."""
    assert is_of_a_service(variable, value, "mailsvc") == is_one


def test_a_dash_in_the_name_of_a_service_is_an_underscore() -> None:
    assert is_of_a_service("MAIL_SVC_SERVICE_HOST", "10.43.0.17", "mail-svc")
    assert not is_of_a_service("MAILSVC_SERVICE_HOST", "10.43.0.17", "mail-svc")
