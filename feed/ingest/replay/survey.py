"""Reads recordings through before they are played: whose they are, how much, and that every line is fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from feed.ingest.replay.personas import PERSONAS, Persona, venue_of
from feed.ingest.replay.recording import Frame, RecordingError, read, shown


class Survey(NamedTuple):
    """The venue, which has seen every frame, and how many of the frames can be subscribed to."""

    persona: Persona
    total_frames: int


def survey(paths: Sequence[Path], venue: str | None) -> Survey:
    """`venue` is one of PERSONAS, or None to tell it from the first frame. Raises RecordingError."""
    persona = None if venue is None else PERSONAS[venue]()
    total = 0
    for path in paths:
        frame: Frame | None = None
        for frame in read(path):
            if persona is None:
                persona = _persona_of(path, frame)
            try:
                persona.learn(frame.message)
                total += persona.topic(frame.message) is not None
            except ValueError as error:
                raise RecordingError(path, frame.line, f"{error}: {shown(frame.text)}") from None
        if frame is None:
            raise RecordingError(path, None, "holds no frames")
    if persona is None:
        raise ValueError("no files to play")
    return Survey(persona, total)


def _persona_of(path: Path, frame: Frame) -> Persona:
    name = venue_of(frame.message)
    if name is None:
        raise RecordingError(path, frame.line, f"a frame of none of {', '.join(PERSONAS)}: {shown(frame.text)}")
    return PERSONAS[name]()
