"""The POP3 protocol: bytes in, events out; how the bytes are cut makes no difference, and memory is bounded."""

import tracemalloc
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsvc.mailaccess.errors import MailAccessError, ProtocolViolation, ResponseTooLarge, Stage, Unreachable
from mailsvc.pop3.protocol import Event, Form, Limits, Protocol
from mailsvc.pop3.responses import Chunk, End, Line, Status

LIMIT = 10_000
SMALL = Limits(status_line=100, list_line=50, list_lines=20, list_bytes=400)


def heard(pieces: Iterable[bytes], forms: Sequence[Form], limits: Limits = SMALL) -> list[object]:
    """What comes out: events, neighbouring chunks as one, and at the end the error if there is one."""
    protocol = Protocol(limits)
    for form in forms:
        protocol.expect(Stage.FETCH, form, limit=LIMIT)
    found: list[object] = []
    try:
        for piece in pieces:
            protocol.receive_data(piece)
            while (event := protocol.next_event()) is not None:
                add(found, event)
    except MailAccessError as error:
        if found and isinstance(found[-1], bytes):
            found.pop()  # how much of a message has come before an error is no matter
        found.append((type(error), error.text))
    return found


def add(found: list[object], event: Event) -> None:
    if not isinstance(event, Chunk):
        found.append(event)
    elif found and isinstance(found[-1], bytes):
        found[-1] += event.data
    else:
        found.append(event.data)


def message(wire: bytes) -> bytes:
    """The message that this response holds."""
    status, *content, end = heard([wire], [Form.MESSAGE])

    assert isinstance(status, Status) and isinstance(end, End)
    return b"".join(piece for piece in content if isinstance(piece, bytes))


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (b"+OK\r\n.\r\n", b""),
        (b"+OK\r\n\r\n.\r\n", b"\r\n"),
        (b"+OK 120 octets\r\nA: b\r\n\r\nc\r\n.\r\n", b"A: b\r\n\r\nc\r\n"),
        (b"+OK\r\n..\r\n.\r\n", b".\r\n"),
        (b"+OK\r\n...\r\n..x\r\n.\r\n", b"..\r\n.x\r\n"),
        (b"+OK\r\n.x\r\n.\r\n", b"x\r\n"),  # RFC 1939 section 3: the first octet is stripped, whatever follows
        (b"+OK\r\na\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),  # bare LF: no line ends there, so no message ends there
        (b"+OK\r\na\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
        (b"+OK\r\na\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n"),
        (b"+OK\r\na\0b\xff\r\r\n.\r\n", b"a\0b\xff\r\r\n"),
        (b"+OK\r\n" + b"x" * 9000 + b"\r\n.\r\n", b"x" * 9000 + b"\r\n"),
        (b"+OK\na\n..b\n.\n", b"a\n.b\n"),  # a server whose own lines end in a bare LF
        (b"+OK\na\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
    ],
)
def test_a_message_is_read_byte_for_byte(wire: bytes, expected: bytes) -> None:
    """However it is cut, one byte at a time included."""
    assert message(wire) == expected
    assert heard([bytes([byte]) for byte in wire], [Form.MESSAGE]) == heard([wire], [Form.MESSAGE])


CONTENT = st.lists(st.sampled_from([b".", b"\r\n", b"\n", b"\r", b"x", b"..", b"\r\n.", b"\0"]), max_size=40).map(
    b"".join
)


@given(CONTENT)
def test_what_a_server_stuffs_comes_out_as_it_was(content: bytes) -> None:
    """Stuffed as RFC 1939 says, by lines that end in CRLF."""
    stuffed = (b"\r\n" + content + b"\r\n").replace(b"\r\n.", b"\r\n..")[2:]

    assert message(b"+OK\r\n" + stuffed + b".\r\n") == content + b"\r\n"


FRAGMENTS = [
    *(
        b"+OK\r\n",
        b"-ERR [IN-USE] x\r\n",
        b"+ YQ==\r\n",
        b"+OK",
        b"-ERR",
        b" ",
        b"1 2\r\n",
        b"3 uid\r\n",
        b".\r\n",
        b"\n",
    ),
    *(b"\r\n.\r\n", b"..", b".", b"\r", b"text", b"\0", b"\xff", b"+OK hi\n", b".\n", b"x" * 60, b"9" * 120),
]
WIRES = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(b"".join)
FORMS = st.lists(st.sampled_from(list(Form)), max_size=6)


@given(WIRES, FORMS, st.data())
def test_any_cut_of_the_same_bytes_gives_the_same(wire: bytes, forms: list[Form], data: st.DataObject) -> None:
    """Responses, lists, messages and errors."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]

    assert heard([piece for piece in pieces if piece], forms) == heard([wire] if wire else [], forms)


@given(st.one_of(st.binary(max_size=400), WIRES), FORMS)
def test_random_bytes_raise_nothing_but_what_is_ours(wire: bytes, forms: list[Form]) -> None:
    """And a closed connection is noticed whatever came before."""
    *_, last = heard([wire, b""] if wire else [b""], forms)

    assert isinstance(last, tuple) and issubclass(last[0], MailAccessError)


@pytest.mark.parametrize(
    ("form", "start", "endless"),
    [
        (Form.STATUS, b"", b"x" * 65536),
        (Form.AUTH, b"", b"+ " + b"A" * 65536),
        (Form.LIST, b"+OK\r\n", b"x" * 65536),
        (Form.LIST, b"+OK\r\n", b"1 1\r\n" * 13000),
        (Form.MESSAGE, b"+OK\r\n", b"x" * 65536),
        (Form.MESSAGE, b"+OK\r\n", b"\r\n.." * 20000),
        (Form.MESSAGE, b"+OK " + b"x" * 9000, b"x"),
    ],
)
def test_what_never_ends_is_ended_in_bounded_memory(form: Form, start: bytes, endless: bytes) -> None:
    """A line without an end, a list of a million lines, a message over its limit."""
    protocol = Protocol()
    protocol.expect(Stage.LIST, form, limit=LIMIT)
    protocol.receive_data(start)
    tracemalloc.start()
    try:
        with pytest.raises(ResponseTooLarge):
            for _ in range(1000):
                protocol.receive_data(endless)
                while protocol.next_event() is not None:
                    pass
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_list_is_bounded_in_lines_and_bytes() -> None:
    """Each limit alone suffices."""
    lines = heard([b"+OK\r\n" + b"1\r\n" * 21], [Form.LIST])
    size = heard([b"+OK\r\n" + b"x" * 45 + b"\r\n"] + [b"y" * 45 + b"\r\n"] * 9, [Form.LIST])

    assert lines[-1] == (ResponseTooLarge, "a list of more than 20 lines or 400 bytes")
    assert size[-1] == lines[-1]


def test_a_message_may_have_exactly_its_limit() -> None:
    wire = b"+OK\r\n" + b"x" * (LIMIT - 2) + b"\r\n.\r\n"

    assert len(message(wire)) == LIMIT
    assert heard([wire.replace(b"+OK\r\n", b"+OK\r\ny")], [Form.MESSAGE])[-1] == (
        ResponseTooLarge,
        f"a message of more than {LIMIT} bytes",
    )


def test_pipelined_answers_belong_to_their_commands() -> None:
    """A message, a refusal, a list: in one piece."""
    wire = b"+OK\r\nmail\r\n.\r\n-ERR gone\r\n+OK\r\n1 5\r\n..\r\n.\r\n"

    assert heard([wire], [Form.MESSAGE, Form.MESSAGE, Form.LIST]) == [
        *(Status(True, None, b""), b"mail\r\n", End(), Status(False, None, b"gone")),
        *(Status(True, None, b""), Line(b"1 5"), Line(b"."), End()),
    ]


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (b"+OK injected\r\n", ProtocolViolation, "the server sent what nobody asked for: +OK injected"),
        (b"+O", ProtocolViolation, "the server sent what nobody asked for: +O"),
        (b"-ERR Disconnected\r\n", Unreachable, "the server ended the session: Disconnected"),
        (b"", Unreachable, "connection lost"),
    ],
)
def test_what_came_unasked_never_passes_for_an_answer(said: bytes, kind: type[MailAccessError], text: str) -> None:
    """The next command is not even expected any more, and the protocol stays unusable."""
    protocol = Protocol()
    protocol.receive_data(said)

    for _ in range(2):
        with pytest.raises(kind) as raised:
            protocol.expect(Stage.DELETE)
        assert raised.value.text == text
    with pytest.raises(kind):
        protocol.next_event()


@pytest.mark.parametrize(
    "said", [b"OK\r\n", b"+OKAY\r\n", b"220 smtp\r\n", b"* OK imap\r\n", b"\r\n", b"\0\r\n", b"+ YQ==\r\n"]
)
def test_what_is_no_response_is_not_guessed_at(said: bytes) -> None:
    """A challenge outside AUTH is none either."""
    [(kind, _)] = heard([said], [Form.STATUS])

    assert kind is ProtocolViolation


def test_a_connection_lost_in_the_middle_is_told_with_its_stage() -> None:
    """Half a message is no message."""
    protocol = Protocol()
    protocol.expect(Stage.FETCH, Form.MESSAGE, limit=LIMIT)
    protocol.receive_data(b"+OK\r\nhalf\r\n.\r")
    protocol.receive_data(b"")
    assert protocol.next_event() == Status(True, None, b"")
    assert protocol.next_event() == Chunk(b"half")

    with pytest.raises(Unreachable) as raised:
        protocol.next_event()
    assert (raised.value.stage, raised.value.text) == (Stage.FETCH, "connection lost")
