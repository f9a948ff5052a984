"""The shapes of JSON that trainers of language models load as they are.

A conversation is `{"messages": [{"role": "user", "content": "..."}, ...]}`, as chat templates take it
(<https://huggingface.co/docs/transformers/chat_templating>). A pair is `{"prompt", "chosen", "rejected"}`,
each a text, as preference trainers take it (<https://huggingface.co/docs/trl/dataset_formats>). A record is
one object whose values are texts, numbers, true, false or null: a row of a table.
"""

from __future__ import annotations

from typing import Any, Final

ROLES: Final = ("system", "user", "assistant", "tool")
MESSAGES_MAX: Final = 1_000  # longer ones nobody reads to the end
FIELDS_MAX: Final = 1_000  # as many columns as a table may have
ADVICE: Final = (
    'A conversation is {"messages": [{"role": "user", "content": "..."}]}, a pair has "prompt", "chosen" and'
    ' "rejected", a record is one flat object.'
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
