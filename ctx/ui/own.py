"""Your own data: files are uploaded, a worker looks at them, what it understood is corrected, and taken in."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ctx.dispatch import ensure
from ctx.errors import BadInput
from ctx.i18n import t
from ctx.imports import hub, uploads
from ctx.lab import data
from ctx.ui import contexts_list, own_draft, own_work, page, state
from ctx.ui.own_work import ADDED, ADDING, UPLOAD

OPEN, ROUND, TURN, HUB = "own open", "own round", "own turn", "own hub"  # keys in the session


def show() -> None:
    """What was just added, and a line that opens to add more."""
    _arrived()
    key = f"{OPEN} {st.session_state.setdefault(ROUND, 0)}"
    if UPLOAD in st.session_state:
        st.session_state.setdefault(key, True)  # back from another page
    box = st.expander(t("Add your own data"), key=key, on_change="rerun", icon=":material/upload_file:")
    if not box.open:
        return
    with box:
        if said := st.session_state.pop(state.TROUBLE, None):
            st.error(page.literal(said))
        token = st.session_state.get(UPLOAD)
        if token is None:
            _choose()
            return
        try:
            own_draft.show(token)
        except BadInput as error:  # it was left for too long
            st.error(page.literal(str(error)))
            del st.session_state[UPLOAD]
            _choose()


def _arrived() -> None:
    """Once data is taken in: its row is chosen and its card open."""
    job = own_work.adding()
    if job is not None and job.state == "done" and job.result:
        for key in (UPLOAD, ADDING):
            st.session_state.pop(key, None)
        st.session_state[ROUND] += 1  # another line to open: the browser remembers this one as open
        st.session_state[ADDED] = job.result
        contexts_list.clear()  # or the new row could be hidden
        contexts_list.choose(str(job.result["id"]))
    added = st.session_state.get(ADDED)
    if added and added["id"] == st.query_params.get("context"):
        n = f"{added['examples']:,}"
        words = t("Added: {n} examples. It is chosen below: look at its card, then use it in the Lab.", n=n)
        if added.get("before"):
            words = t("These {n} examples were there already. They are chosen below.", n=n)
        st.success(words, icon=":material/check:")


def _choose() -> None:
    """The field for files, and what they should look like; a worker gets ready meanwhile."""
    state.attempt(lambda: (ensure(page.store().url), None)[1])
    turn = st.session_state.setdefault(TURN, 0)
    key = f"own files {turn}"
    st.file_uploader(
        t("CSV, TSV, JSON, JSON Lines, Parquet, Excel or CoNLL, also packed as .gz or .zip"),
        accept_multiple_files=True,
        max_upload_size=uploads.LIMIT,
        key=key,
        on_change=_uploaded,
        args=(key,),
    )
    st.caption(
        t(
            "An example a row: a text, and its label, its translation or its summary; for names in texts, words with a "
            "tag each. Or two text files, line by line, chosen together. You see what was understood before anything "
            "is added; a page that is loaded again begins anew. What is added stays on this server, and there is no "
            "login: whoever opens these pages can use it, and delete it."
        )
    )
    why = _no_hub()
    st.text_input(
        t("Or a data set of the Hugging Face hub"),
        key=HUB,
        placeholder="owner/name",
        on_change=_named,
        disabled=bool(why),
        max_chars=120,
        width=420,
    )
    if why:
        st.caption(why)


def _no_hub() -> str:
    """Why the hub can't be read from here; empty where it can."""
    if not hub.installed():
        return t("The server lacks the package `datasets`: download the data set, and choose its files above.")
    return t("The network is forbidden here (CTX_OFFLINE).") if data.offline() else ""


def _uploaded(key: str) -> None:
    """Copy what came to a private folder, and let go of it in memory."""
    given = st.session_state[key]
    if not given:
        return

    def act() -> None:
        st.session_state[UPLOAD] = uploads.add([(file.name, file) for file in given])

    state.attempt(act)
    st.session_state[TURN] += 1  # another field next time: this one forgets its files
    context = get_script_run_ctx()
    if context is not None and isinstance(held := context.uploaded_file_mgr, MemoryUploadedFileManager):
        for file in given:
            held.remove_file(context.session_id, file.file_id)


def _named() -> None:
    name = st.session_state[HUB].strip()

    def act() -> None:
        st.session_state[UPLOAD] = uploads.add_hub(name)

    if name:
        state.attempt(act)
