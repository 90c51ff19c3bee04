"""What may come of whatever bytes a client sends: a command, or a refusal that can be told in few bytes."""

import orjson

from feed.wire import commands, messages
from feed.wire.codec import JSON, MSGPACK
from feed.wire.commands import Auth, Command, Echo, Ping, Subscribe, Unsubscribe
from feed.wire.errors import Code, ProtocolError

COMMANDS = (Auth, Subscribe, Unsubscribe, Ping, Echo)
# An error's text, and what an answer is longer than what it answers: only an id comes back as it came.
MAX_TEXT = 400
MAX_MORE_BYTES = 512


def judged(data: bytes, depth: int, *, packed: bool) -> Command | ProtocolError:
    """What the parser makes of a message. Raises AssertionError where that breaks a rule."""
    try:
        command = commands.parse_msgpack(data, depth) if packed else commands.parse_json(data, depth)
    except ProtocolError as fault:
        _judge_refusal(fault, data, depth, packed=packed)
        return fault
    assert isinstance(command, COMMANDS), command
    if isinstance(command, Subscribe):
        assert all(position.seq >= 0 for position in command.positions().values())
        assert command.rate == 0 or commands.MIN_RATE <= command.rate <= commands.MAX_RATE, command.rate
    if isinstance(command, Auth):
        shown = f"{command!r} {command}"
        assert not any(len(secret) > 3 and secret in shown for secret in (command.key, command.secret, command.token))
    assert type(command.id) in (int, str, type(None)), command.id
    return command


def _judge_refusal(fault: ProtocolError, data: bytes, depth: int, *, packed: bool) -> None:
    assert fault.code in (Code.INVALID_SYNTAX, Code.INVALID_SUBSCRIBE), fault
    assert len(str(fault)) <= MAX_TEXT, f"{len(str(fault))} characters: {str(fault)[:80]}"
    answer = (MSGPACK if packed else JSON).control(messages.error(fault, depth))
    assert len(answer) <= len(data) + MAX_MORE_BYTES, f"{len(answer)} bytes in answer to {len(data)}"
    orjson.dumps([str(fault), fault.command_id])  # what a log line would hold
