"""Which data is in use: what is being fetched, what could not be, and what stands in."""

from __future__ import annotations

import streamlit as st

from ctx.config import RunConfig, frozen_blocks
from ctx.dispatch import ensure
from ctx.i18n import t
from ctx.lab import data
from ctx.lab.link import View
from ctx.lab.names import title
from ctx.records import WAITING, Job
from ctx.registry import part, registry
from ctx.ui import page, state

EVERY_SECONDS = 300  # a pair that was encoded longer ago than this may be forgotten again


def show(view: View) -> None:
    """Nothing where all is there and the data is real."""
    if data.needed(view.config):
        job = data.fetching(page.store(), view.config)
        if job is not None and job.state in WAITING:
            st.fragment(_follow, run_every=1.0)(view)
        else:
            _missing(view, job)
        return
    if view.study is None or view.changed:
        _ahead(view.config)
    if state.fallback(view.application) and _is_sample(view.config):
        _stands_in(view.application)


def _ahead(config: RunConfig) -> None:
    """Have the pair encoded while the visitor is still guessing."""
    frozen, blocks = frozen_blocks(config)
    if frozen == blocks:
        contexts = {"sources": config.sources, "target": config.target, "backbone": config.backbone}
        plain = data.default(config.task().applications[0]).model_copy(update=contexts)
        state.attempt(lambda: _encode(plain.model_dump_json()))


@st.cache_data(show_spinner=False, ttl=EVERY_SECONDS)
def _encode(config: str) -> None:
    if data.encode(page.store(), RunConfig.model_validate_json(config)) is not None:
        ensure(page.store().url)


def _what(view: View) -> str:
    names = data.needed(view.config)
    wanted = [f"{asset.filename} ({asset.megabytes:g} MB, {asset.licence})" for asset in data.archives(names)]
    works = "; ".join(work.rstrip(".") for work in data.citations(names))
    return t("{archives}; cite {works}", archives=", ".join(wanted), works=works)


def _names(view: View) -> str:
    return ", ".join(title(n) if "/" in n else registry("backbones")[n].title for n in data.needed(view.config))


def _follow(view: View) -> None:
    """The progress of a fetch; the whole page again once it has ended."""
    job = data.fetching(page.store(), view.config)
    if job is None or job.state not in WAITING or not data.needed(view.config):
        st.rerun()
    total = job.total or sum(asset.megabytes for asset in data.archives(data.needed(view.config)))
    share = min((job.done or 0.0) / total, 1.0) if total else 0.0
    text = t(
        "Fetching {names}: {done} of {total} MB", names=_names(view), done=f"{job.done or 0:.0f}", total=f"{total:.0f}"
    )
    with st.container(border=True):
        st.progress(share, text=page.literal(text))
        st.caption(page.literal(t("Once only. {what}. You may close this page.", what=_what(view))))
        st.button(t("Meanwhile, use the sample sentences"), on_click=_sample, key="sample")


def _sample() -> None:
    view = state.current()
    stand_in = data.sample(view.application)
    if stand_in is not None:
        state.attempt(lambda: state.go(view, stand_in))


def _missing(view: View, job: Job | None) -> None:
    with st.container(border=True):
        if job is not None and job.error:
            st.error(page.literal(job.error))
        st.markdown(
            page.literal(t("{names}: not on this machine yet. To fetch: {what}.", names=_names(view), what=_what(view)))
        )
        with st.container(horizontal=True):
            st.button(t("Fetch"), on_click=_fetch, key="fetch", type="primary")
            st.button(t("Use the sample sentences"), on_click=_sample, key="sample")


def _fetch() -> None:
    def act() -> None:
        data.fetch(page.store(), state.current().config)
        ensure(page.store().url)

    state.attempt(act)


def _is_sample(config: RunConfig) -> bool:
    return any(part("contexts", choice.id).sample for choice in config.contexts().values())


def _stands_in(application: str) -> None:
    job = data.fetching(page.store(), data.default(application))
    why = t("the network is forbidden here (CTX_OFFLINE)") if data.offline() else (job.error if job else "") or ""
    text = t(
        "The real sentences could not be fetched: {why} You see sample sentences written for this project, and a small "
        "encoder that has read nothing before. What they show is real; the scores are not those of real text.",
        why=why.rstrip(".") + ".",
    )
    st.info(page.literal(text))
    if not data.offline():
        st.button(t("Try again to fetch"), on_click=_again, args=(application,), key="fetch again")


def _again(application: str) -> None:
    def act() -> None:
        data.fetch(page.store(), data.default(application))
        ensure(page.store().url)

    state.attempt(act)
