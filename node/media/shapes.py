"""The shapes of JSON that trainers of language models load as they are.

A conversation is `{"messages": [{"role": "user", "content": "..."}, ...]}`, as chat templates take it
(<https://huggingface.co/docs/transformers/chat_templating>). A pair is `{"prompt", "chosen", "rejected"}`,
each a text, as preference trainers take it (<https://huggingface.co/docs/trl/dataset_formats>). A record is
one object whose values are texts, numbers, true, false or null: a row of a table.

Boxes are what somebody marked in a picture: `{"unit": "pixel", "width": 640, "height": 480, "objects":
[{"label": "cat", "box": [10, 20, 30.5, 40]}]}`, where a box is left, top, width and height, as in COCO; or
with the unit "fraction" of the picture's width and height, and neither of these, as in YOLO. An object may
have an "outline", too: polygons of x and y in turn.
"""

from __future__ import annotations

from typing import Any, Final

ROLES: Final = ("system", "user", "assistant", "tool")
MESSAGES_MAX: Final = 1_000  # longer ones nobody reads to the end
FIELDS_MAX: Final = 1_000  # as many columns as a table may have
OBJECTS_MAX: Final = 1_000  # in one picture
POINTS_MAX: Final = 10_000  # of all outlines in one picture
LABEL_CHARS_MAX: Final = 200  # as long as the names of a campaign's labels
_BOX_NUMBERS: Final = 4
_POLYGON_NUMBERS: Final = 6  # three points
_OUTSIDE: Final = 0.01  # of a side: tools that make boxes round, or draw a little over the edge
ADVICE: Final = (
    'A conversation is {"messages": [{"role": "user", "content": "..."}]}, a pair has "prompt", "chosen" and'
    ' "rejected", a record is one flat object, boxes have "unit" and "objects" with "label" and "box".'
)


def problem_of_conversation(found: Any) -> str:
    """Why it is no conversation; empty if it is one."""
    if not isinstance(found, dict) or set(found) != {"messages"}:
        return 'a conversation is an object with "messages" and nothing else'
    messages = found["messages"]
    if not isinstance(messages, list) or not 0 < len(messages) <= MESSAGES_MAX:
        return f"it has 1 to {MESSAGES_MAX:,} messages"
    for number, message in enumerate(messages, 1):
        if problem := _problem_of_message(message):
            return f"message {number}: {problem}"
    return ""


def _problem_of_message(message: Any) -> str:
    if not isinstance(message, dict) or set(message) != {"role", "content"}:
        return 'a message has "role" and "content" and nothing else'
    if message["role"] not in ROLES:
        return f"a role is one of {', '.join(ROLES)}"
    return _problem_of_text(message["content"])


def problem_of_pair(found: Any) -> str:
    """Why it is no pair; empty if it is one."""
    if not isinstance(found, dict) or set(found) != {"prompt", "chosen", "rejected"}:
        return 'a pair has "prompt", "chosen" and "rejected" and nothing else'
    for name, text in found.items():
        if problem := _problem_of_text(text):
            return f"{name}: {problem}"
    return "chosen and rejected are the same" if found["chosen"] == found["rejected"] else ""


def problem_of_record(found: Any) -> str:
    """Why it is no record; empty if it is one."""
    if not isinstance(found, dict) or not 0 < len(found) <= FIELDS_MAX:
        return f"a record is an object of 1 to {FIELDS_MAX:,} fields"
    nested = next((name for name, value in found.items() if isinstance(value, dict | list)), None)
    return f"{nested[:64]!a} holds more than one value" if nested is not None else ""


def _problem_of_text(text: Any) -> str:
    return "" if isinstance(text, str) and text.strip() else "it is a text that is not empty"


def problem_of_boxes(found: Any) -> str:
    """Why these are no boxes; empty if they are."""
    if not isinstance(found, dict):
        return "boxes are an object"
    size = {"pixel": {"width", "height"}, "fraction": set[str]()}.get(str(found.get("unit")))
    if size is None or set(found) != {"unit", "objects"} | size:
        return 'boxes have "unit", pixel or fraction, "objects", and of pixels "width" and "height"; no more'
    sides = tuple(found.get(name, 1) for name in ("width", "height"))
    if not all(_is_number(side) and side > 0 for side in sides):
        return "width and height are numbers above 0"
    objects = found["objects"]
    if not isinstance(objects, list) or len(objects) > OBJECTS_MAX:
        return f"objects are a list of at most {OBJECTS_MAX:,}"
    for number, each in enumerate(objects, 1):
        if problem := _problem_of_object(each, sides):
            return f"object {number}: {problem}"
    points = sum(len(line) for each in objects for line in each.get("outline", ())) // 2
    return f"its outlines have more than {POINTS_MAX:,} points" if points > POINTS_MAX else ""


def _problem_of_object(found: Any, sides: tuple[float, ...]) -> str:
    if not isinstance(found, dict) or not {"label", "box"} <= set(found) <= {
        "label",
        "box",
        "outline",
    }:
        return 'it has "label" and "box", it may have "outline", and nothing else'
    label, box, outline = found["label"], found["box"], found.get("outline", [])
    if _problem_of_text(label) or len(label) > LABEL_CHARS_MAX:
        return f"its label is a text of 1 to {LABEL_CHARS_MAX} characters"
    if not _are_numbers(box) or len(box) != _BOX_NUMBERS or min(box[2:]) < 0:
        return "its box is left, top, width and height, these not below 0"
    if not isinstance(outline, list) or not all(_is_polygon(line) for line in outline):
        return "its outline is a list of polygons, each at least three points as x, y, x, y, …"
    corners = (box[:2], [box[0] + box[2], box[1] + box[3]])
    outlines = (line[at : at + 2] for line in outline for at in range(0, len(line), 2))
    for point in (*corners, *outlines):
        if not all(
            -_OUTSIDE * side <= at <= (1 + _OUTSIDE) * side
            for at, side in zip(point, sides, strict=True)
        ):
            return "it leads out of the picture"
    return ""


def _is_polygon(found: Any) -> bool:
    return _are_numbers(found) and len(found) >= _POLYGON_NUMBERS and len(found) % 2 == 0


def _are_numbers(found: Any) -> bool:
    return isinstance(found, list) and all(map(_is_number, found))


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)
