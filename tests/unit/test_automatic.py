"""A machine's answer, and what only looks like one."""

import pytest

from mailsvc.mime.arrived import read_mail
from mailsvc.understand.automatic import is_automatic
from tests.support.arrived import mail

ANSWER = "In-Reply-To: <1@app.test>\r\n"


def automatic(header: str, body: str = "Hello\r\n") -> bool:
    return is_automatic(read_mail(mail(header, body)))


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-replied (vacation)",
        "X-Autoreply: yes",
        "X-Autorespond: 1",
        "Precedence: auto_reply",
        "X-Precedence: auto-reply",
        "Delivered-To: Autoresponder",
        "X-POST-MessageClass: 9; Autoresponder",
        "X-Mailer: vacation 1.2",
        "X-Delivery-Agent: TMDA/1.1",
        "List-Id: <x.test>\r\nAuto-Submitted: auto-replied",
    ],
)
def test_a_field_of_the_header_says_so(header: str) -> None:
    assert automatic(header + "\r\n")


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Hello",
        "Auto: Re: Hello\r\nIn-Reply-To: <1@app.test>",
        "Autoreply: Hello",
        "[Auto-Reply] Hello",
        "Out of Office: Hello",
        "Out of the office",
        "Vacation message",
        "Automatische Antwort: Hallo",
        "Abwesenheitsnotiz: Hallo",
        "Réponse automatique : Bonjour",
        "Message d'absence",
        "Respuesta automática: Hola",
        "Fuera de oficina",
        "Resposta automática: Olá",
        "Risposta automatica: Ciao",
        "Automatisch antwoord: Hallo",
        "Autosvar: Hej",
        "Automatiskt svar: Hej",
        "Automatisk svar: Hei",
        "Automaattinen vastaus: Hei",
        "Automatyczna odpowiedź: Hej",
        "Automatická odpověď: Ahoj",
        "Automatikus válasz: Szia",
        "Automātiska atbilde: Sveiki",
        "Автоматический ответ: Привет",
        "Автоответ: Привет",
        "Otomatik yanıt: Merhaba",
        "Αυτόματη απάντηση: Γεια",
        "自動応答: こんにちは",
        "自动回复: 你好",
        "자동 회신: 안녕",
        "رد تلقائي: مرحبا",
        "תשובה אוטומטית: שלום",
        "[BoxTrapper] Verification needed",
        "Please confirm your message to bob, so that it can be delivered",
    ],
)
def test_a_subject_says_so_in_many_languages(subject: str) -> None:
    assert automatic(f"Subject: {subject}\r\n")


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (ANSWER + "Auto-Submitted: auto-generated\r\nSubject: Hello", ""),
        ("Return-Path: <>\r\nSubject: Re: Hello", ""),
        (ANSWER + "X-Auto-Response-Suppress: All\r\nSubject: Hello", ""),
        (ANSWER + "Subject: Urlaub", ""),
        ("X-OTRS-Loop: yes\r\nSubject: [Ticket#2024] Your request has been received", ""),
        (ANSWER + "Subject: [#123] Ticket created", ""),
        (ANSWER + "Subject: Re: Hello", "This is an automated response. We will come back to you."),
        (ANSWER + "Subject: AW: Hallo", "Dies ist eine automatische Antwort.\n"),
    ],
)
def test_several_signs_together_say_so(header: str, body: str) -> None:
    assert automatic(header + "\r\n", body)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (ANSWER + "Subject: Re: Hello", "Yes, please.\n"),
        ("Subject: Hello\r\nAuto-Submitted: no", ""),
        ("Subject: Hello\r\nX-Autoreply: no", ""),
        ("Subject: Your invoice\r\nAuto-Submitted: auto-generated", ""),
        (
            "Subject: News\r\nPrecedence: bulk\r\nList-Unsubscribe: <https://news.test/u>\r\nX-Auto-Response-Suppress: All",
            "",
        ),
        (
            ANSWER + "Subject: Re: [list] Hello\r\nPrecedence: list\r\nList-Id: <list.test>",
            "This is an automatic reply",
        ),
        (ANSWER + "Subject: Re: Automatic reply: Hello", "Thank you, enjoy your holidays.\n"),
        (ANSWER + "Subject: Re: Out of office on Monday", "Me, too.\n"),
        ("Subject: Vacation request", "May I?\n"),
        ("Subject: Urlaub 2025", "Wann?\n"),
        (ANSWER + "Subject: Re: Hello", "Why do I get this?\n\n> This is an automatic reply\n"),
        ("Subject: Autobahn closed", ""),
    ],
)
def test_a_person_a_list_and_a_notification_are_no_answer_of_a_machine(header: str, body: str) -> None:
    assert not automatic(header + "\r\n", body)
