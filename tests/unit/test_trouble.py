"""Whose fault a failure is, and how it is put into words."""

import errno
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsvc.domain.attempt import Fate, Reply, Stage
from mailsvc.smtp.trouble import RelayTrouble, fate_of, in_words, is_about_session, safe, unexpected

SENT, BOUNCED, DEFERRED = Fate.SENT, Fate.BOUNCED, Fate.DEFERRED


@pytest.mark.parametrize(
    ("code", "text", "mail", "rcpt", "data", "eom"),
    [
        (250, "ok",                     DEFERRED, DEFERRED, DEFERRED, SENT),  # only the dot's 2xx is a delivery
        (354, "go on",                  DEFERRED, DEFERRED, DEFERRED, DEFERRED),
        (450, "mailbox busy",           DEFERRED, DEFERRED, DEFERRED, DEFERRED),
        (499, "unheard of",             DEFERRED, DEFERRED, DEFERRED, DEFERRED),
        (500, "what?",                  BOUNCED,  BOUNCED,  BOUNCED,  BOUNCED),
        (550, "no such user",           BOUNCED,  BOUNCED,  BOUNCED,  BOUNCED),
        (599, "unheard of",             BOUNCED,  BOUNCED,  BOUNCED,  BOUNCED),
        (550, "too many mails an hour", DEFERRED, DEFERRED, DEFERRED, DEFERRED),  # a rate passes, whatever the code
        (550, "greylisted",             DEFERRED, DEFERRED, DEFERRED, DEFERRED),
    ],
)  # fmt: skip
def test_a_reply_means_by_its_stage(code: int, text: str, mail: Fate, rcpt: Fate, data: Fate, eom: Fate) -> None:
    stages = (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.EOM)

    assert tuple(fate_of(stage, Reply(code, None, text)) for stage in stages) == (mail, rcpt, data, eom)


@given(st.sampled_from(Stage), st.integers(200, 599), st.text())
def test_only_a_2xx_to_the_dot_is_a_delivery(stage: Stage, code: int, text: str) -> None:
    """And nothing that a relay says leaves a delivery untried or uncertain: it has been heard."""
    fate = fate_of(stage, Reply(code, None, text))

    assert (fate is SENT) == (stage is Stage.EOM and code < 300)
    assert fate in (SENT, BOUNCED, DEFERRED)


@pytest.mark.parametrize("code", [530, 534, 535, 538])
def test_a_demand_to_log_in_is_about_the_session(code: int) -> None:
    """It comes as the reply to MAIL, which is about the sender otherwise (RFC 4954 section 6)."""
    assert [stage for stage in Stage if is_about_session(stage, Reply(code, None, "log in first"))] == [Stage.MAIL]


@pytest.mark.parametrize("code", [250, 421, 450, 503, 550, 531, 533, 536, 537, 539])
def test_any_other_refusal_of_mail_is_about_the_message(code: int) -> None:
    assert not is_about_session(Stage.MAIL, Reply(code, None, "no"))


@pytest.mark.parametrize(
    ("stage", "code", "is_auth"),
    [
        (Stage.AUTH, 535, True),
        (Stage.AUTH, 504, True),
        (Stage.AUTH, 454, False),  # "temporary authentication failure"
        (Stage.AUTH, None, False),  # silence, or a lost connection
        (Stage.EHLO, 535, False),
        (Stage.MAIL, 530, False),
    ],
)
def test_credentials_are_refused_by_a_5xx_to_auth(stage: Stage, code: int | None, is_auth: bool) -> None:
    """The same ones again and again would have the account locked."""
    reply = Reply(code, None, "no") if code else None

    assert RelayTrouble(stage, "no", reply=reply).is_auth is is_auth


def test_trouble_is_one_line() -> None:
    """The stage, the code where a reply came, the text."""
    assert RelayTrouble(Stage.CONNECT, "connection refused").in_words == "connect: connection refused"
    assert RelayTrouble(Stage.MAIL, "", reply=Reply(421, None, "")).in_words == "mail: 421"
    assert RelayTrouble(Stage.AUTH, "bad", reply=Reply(535, "5.7.8", "bad")).in_words == "auth: 535 bad"
    assert str(RelayTrouble(Stage.CONNECT, "a\0b")) == "connect: a\N{REPLACEMENT CHARACTER}b"


def test_a_fault_of_ours_is_called_one() -> None:
    """Whose text could be anything, so that only its kind is shown."""
    trouble = unexpected(Stage.EHLO, KeyError("password"))

    assert (trouble.is_ours, trouble.stage, trouble.reply) == (True, Stage.EHLO, None)
    assert trouble.text == "internal error: KeyError; see the log"
    assert not RelayTrouble(Stage.EHLO, "no").is_ours


def test_new_trouble_knows_of_no_session() -> None:
    trouble = RelayTrouble(Stage.CONNECT, "no")

    assert (trouble.tls, trouble.offered) == (None, ())


def test_a_text_that_no_database_keeps_is_made_safe() -> None:
    """NULs, and bytes that were no UTF-8."""
    said = b"gr\xc3\xbc\xc3\x9fe \xff \0".decode("utf-8", "surrogateescape")

    assert safe(said) == "grüße \N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}"


@given(st.binary())
def test_whatever_a_relay_says_can_be_made_safe(said: bytes) -> None:
    """What is safe stays as it is."""
    made = safe(said.decode("utf-8", "surrogateescape"))

    assert "\0" not in made
    assert safe(made.encode().decode()) == made


def certificate(message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = message
    return error


def tls(reason: str | None, text: str = "told") -> ssl.SSLError:
    error = ssl.SSLError(1, text)
    error.reason = reason
    return error


UNTRUSTED = "the certificate comes from a CA that is not trusted here"
NO_TLS = "no TLS is spoken on this port: implicit TLS is usually on 465, STARTTLS on 587"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection refused"),
        (ConnectionResetError(), "connection lost"),
        (BrokenPipeError(), "connection lost"),
        (ConnectionAbortedError("SSL handshake is taking longer than 5 seconds"), "no answer in time"),
        (ConnectionAbortedError("software caused it"), "connection lost"),
        (ConnectionResetError("in SSL"), "connection lost"),
        (socket.gaierror(-2, "Name or service not known"), "the host name can't be resolved: Name or service not known"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "[Errno 113] No route to host"),
        (ValueError(), "ValueError"),
        (ssl.SSLEOFError(8, "EOF"), "connection lost during TLS"),
        (ssl.SSLZeroReturnError(6, "closed"), "connection lost during TLS"),
        (tls("WRONG_VERSION_NUMBER"), NO_TLS),
        (tls("RECORD_LAYER_FAILURE"), NO_TLS),
        (tls("NO_SHARED_CIPHER"), "TLS failed: NO_SHARED_CIPHER"),
        (tls(None, "something else"), "TLS failed: something else"),
        (certificate("certificate has expired"), "the certificate has expired"),
        (certificate("self-signed certificate"), "the certificate is self-signed, and not trusted here"),
        (certificate("self-signed certificate in certificate chain"), UNTRUSTED),
        (certificate("unable to get local issuer certificate"), UNTRUSTED),
        (certificate("Hostname mismatch, certificate is not valid for 'mx'."), "the certificate is for another name: Hostname mismatch, certificate is not valid for 'mx'."),
        (certificate("IP address mismatch, certificate is not valid for '192.0.2.1'."), "the certificate is for another name: IP address mismatch, certificate is not valid for '192.0.2.1'."),
        (certificate("subject issuer mismatch"), "the certificate can't be verified: subject issuer mismatch"),
        (certificate("CA cert of host is invalid"), "the certificate can't be verified: CA cert of host is invalid"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else type(value).__name__,
)  # fmt: skip
def test_a_failure_of_the_connection_is_told_in_words_that_help(error: Exception, words: str) -> None:
    """By what it is, never by the library that noticed it."""
    assert in_words(error) == words
