"""The Lab: choose two contexts, guess, train, read the answer."""

from ctx.ui import page

page.guard()

from ctx.ui import lab, state  # noqa: E402

view = state.current()
lab.setup(view)
lab.data_state(view)
lab.result(view)
lab.more(view)
