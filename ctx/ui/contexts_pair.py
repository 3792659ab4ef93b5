"""A source beside the chosen context: what the pair's numbers say; those of embeddings once they are done."""

from __future__ import annotations

import streamlit as st

from ctx import describe, pair_words, pairs
from ctx.cards import Card
from ctx.config import ContextChoice
from ctx.dispatch import ensure
from ctx.distance import Distance
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.names import title
from ctx.lab.offer import parameters
from ctx.parts import Choice
from ctx.records import WAITING, Job
from ctx.registry import OWNER, contexts, part
from ctx.ui import contexts_fetch, facts, page, state
from ctx.ui import runs_address as address
from ctx.ui.contexts_card import LAB


def show(card: Card) -> None:
    """Choose a source for this target; what the two share, and in what they differ."""
    fitting = [name for name, cls in contexts(OWNER).items() if cls.application == card.application and name != card.id]
    st.markdown(f"**{t('How far is it from another context?')}**")
    source = _source(card.id, fitting)
    contexts_fetch.trouble()
    if not source:
        st.caption(t("Choose a source: words, labels, lengths and embeddings of the two are compared."))
        return
    one, other = ContextChoice(id=source), ContextChoice(id=card.id)
    try:
        with st.spinner(t("Counting words, once only …"), show_time=False):
            found = pairs.pair(one, other)
    except CtxError as error:
        st.error(page.literal(str(error)))
        return
    if found is None:
        missing = source if card.measured is not None else card.id
        contexts_fetch.show(missing) if missing == source else st.caption(t("Fetch it first, above."))
        return
    facts.said((one.title, one.shown, one.sentence) for one in pair_words.numbers(found))
    _embeddings(one, other)
    st.caption(t("Smaller is nearer. None of these numbers sees whether the same text is answered alike in both."))


def _source(target: str, fitting: list[str]) -> str:
    """The select box of sources, with a button that swaps the two, and the way to the Lab."""
    key = f"contexts_with_{address.digest([target, fitting])}"
    asked = st.query_params.get("with", "")
    if key not in st.session_state:
        address.unknown("with", [asked] if asked and asked not in fitting else [], fitting)
    st.session_state[key] = asked if asked in fitting else None
    left, right = st.columns([3, 2], vertical_alignment="bottom")

    def changed() -> None:
        address.keep("with", st.session_state[key] or "")

    source = left.selectbox(
        t("Source"), fitting, key=key, format_func=title, placeholder=t("Choose a context"), on_change=changed
    )
    if source is None:
        st.query_params.pop("with", None)
        return ""
    with right.container(horizontal=True, vertical_alignment="center"):
        st.button(t("⇄ Swap"), on_click=_swap, args=(source, target), help=t("Make the source the target."))
        st.page_link(
            "pages/lab.py",
            label=t("Try in the Lab"),
            icon=LAB,
            query_params=parameters({"source": source, "target": target}),
            width="content",
        )
    return source


def _swap(source: str, target: str) -> None:
    st.query_params["context"], st.query_params["with"] = source, target


def _embeddings(source: ContextChoice, target: ContextChoice) -> None:
    names = pairs.backbones(source, target)
    if not names:
        return
    usual = next((name for name in names if pairs.here(name)), names[0])
    address.one("backbone", key := f"contexts_backbone_{address.digest(names)}", names, usual)
    name = st.selectbox(
        t("As which encoder sees them"),
        names,
        key=key,
        format_func=_backbone_title,
        width=420,
    )
    address.keep("backbone", name, usual)
    if not pairs.here(name):
        contexts_fetch.show(name)
        return
    backbone = Choice(name=name)
    job = describe.latest(page.store(), source, target, backbone)
    found = pairs.distance(source, target, backbone) or _found(job)
    if found is not None:
        facts.said((one.title, one.shown, one.sentence) for one in pair_words.distances(found))
    elif job is not None and job.error:
        st.error(page.literal(job.error))
        st.button(t("Try again"), on_click=_queue, args=(source, target, backbone))
    else:
        if job is None or job.state not in WAITING:
            _queue(source, target, backbone)
            contexts_fetch.trouble()
        st.fragment(_follow, run_every=1.0)(source, target, backbone)


def _backbone_title(name: str) -> str:
    return str(part("backbones", name).title)


def _found(job: Job | None) -> Distance | None:
    return Distance.model_validate(job.result) if job is not None and job.result else None


def _queue(source: ContextChoice, target: ContextChoice, backbone: Choice) -> None:
    def act() -> None:
        describe.queue(page.store(), source, target, backbone)
        ensure(page.store().url)

    state.attempt(act)


def _follow(source: ContextChoice, target: ContextChoice, backbone: Choice) -> None:
    """How far the embeddings are; the whole page again once they are done."""
    job = describe.latest(page.store(), source, target, backbone)
    if job is not None and job.state not in WAITING:
        st.rerun()
    text = t("The encoder reads up to 300 sentences of each …")
    st.progress(min((job.done or 0) / job.total, 1.0) if job is not None and job.total else 0.0, text=text)
