"""Every string that a person sees goes through `t`; catalogues come later, the calls are there from the first day."""

from __future__ import annotations


def t(message: str, **values: object) -> str:
    """The message in the viewer's language, ``{names}`` filled in. The English message is its own key."""
    return message.format(**values) if values else message
