"""Knobs in words: what each may be, what it counts in, and which one a misspelt name probably meant."""

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from feed.settings.models import Section, Values
from feed.settings.types import Allowed, Unit

SECTIONS: Final[dict[str, type[Section]]] = {
    name: field.annotation
    for name, field in Values.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


PLAIN: Final[dict[object, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    SecretStr: "a text",
}


def knobs() -> dict[str, FieldInfo]:
    """Every knob by its key, such as `gateway.port`, in the order of the models."""
    return {
        f"{name}.{knob}": field for name, section in SECTIONS.items() for knob, field in section.model_fields.items()
    }


def unit(field: FieldInfo) -> str:
    """What the knob counts in; empty for names, ports and the like."""
    return next((mark.name for mark in field.metadata if isinstance(mark, Unit)), "")


def allowed(field: FieldInfo) -> str:
    """What the knob may be, to follow "must be"."""
    if get_origin(field.annotation) is tuple:
        item = get_args(field.annotation)[0]
        marks = getattr(item, "__metadata__", ())
        least = next((f"{mark.min_length} or more " for mark in field.metadata if isinstance(mark, MinLen)), "")
        return f"a list (a,b,c) of {least}{_words(marks) or 'texts'}"
    if words := _words(field.metadata):
        return words
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    return " ".join(filter(None, (PLAIN[field.annotation], _bounds(field.metadata))))


def secret(field: FieldInfo) -> bool:
    """Whether the knob's value is for nobody's eyes."""
    return field.annotation is SecretStr


def mask(text: str) -> str:
    """`text` without the passwords of the URLs in it."""
    return re.sub(r"(://[^:@/\s]*):[^\s]*@", r"\1:***@", text)


def shown(field: FieldInfo, value: Any) -> str:
    """A knob's value as JSON for everybody's eyes: secrets and the passwords of URLs are hidden."""
    if secret(field):
        return '"***"' if value.get_secret_value() else '""'
    return mask(json.dumps(value, ensure_ascii=False))


def differing(values: Values) -> dict[str, Any]:
    """The knobs that are not what they are by default, for everybody's eyes too."""
    return {
        key: json.loads(shown(field, value))
        for key, field in knobs().items()
        if (value := value_of(values, key)) != field.default
    }


def value_of(values: Values, key: str) -> Any:
    section, _, knob = key.partition(".")
    return getattr(getattr(values, section), knob)


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """A hint to append, empty where nothing known is like `name`; `prefix` goes before what is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def _words(marks: Iterable[object]) -> str:
    return next((mark.words for mark in marks if isinstance(mark, Allowed)), "")


def _bounds(marks: Iterable[Any]) -> str:
    low = high = above = below = None
    for mark in marks:
        match mark:
            case Ge(ge=bound):
                low = bound
            case Gt(gt=bound):
                above = bound
            case Le(le=bound):
                high = bound
            case Lt(lt=bound):
                below = bound
    if low is not None and high is not None:
        return f"from {low} to {high}"
    parts = [("above", above), ("of at least", low), ("below", below), ("up to", high)]
    return " and ".join(f"{word} {bound}" for word, bound in parts if bound is not None)
