"""Pages as a person meets them, without a browser: entered through app.py, told by their address, read as text."""

from streamlit.testing.v1 import AppTest

from ctx.home import project


def opened(page: str, **address: str | list[str]) -> AppTest:
    """A page of this name, at this address, after its first run."""
    app = AppTest.from_file(str(project() / "app.py"), default_timeout=30).run()
    app.switch_page(f"pages/{page}.py")
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def texts(app: AppTest) -> str:
    """All that stands on the page."""
    shown = (app.caption, app.markdown, app.info, app.warning, app.error)
    return "\n".join(str(one.value) for kind in shown for one in kind)


def plain(app: AppTest) -> str:
    """The same without what keeps it from being read as markup."""
    return texts(app).replace("\u2060", "").replace("\\", "")
