"""Summarisation of what installed Python libraries say of themselves: a docstring's first paragraph from the rest.

One library is one domain. Nothing is fetched: the files of the libraries that run ctx, or lie beside it, are parsed and
never imported; so the examples change with the library's version.
"""

from __future__ import annotations

from typing import ClassVar

from ctx.parts import Context, Example


class _Docstrings(Context):
    """The text is what follows the first paragraph: at least 30 words, cut to 200, parameters as ``name: what it is``.

    The summary is that paragraph, 4 to 30 words. Examples, references, code, formulas, markup and types are left out,
    and so are texts that differ from another in names alone. A file is a group. Of a library with more than 20 MB of
    source only some files are read, always the same.
    """

    application = "summarisation"
    language = "en"
    culture = "programmers"
    slow = True
    distribution: ClassVar[str]
    package: ClassVar[str]

    def examples(self) -> list[Example]:
        """By file; found once a version, which takes seconds, then kept. Raises Unavailable where not installed."""
        from ctx.libraries import described

        return [
            Example(f"{one.file}:{one.name}", one.text, one.summary, group=one.file, stratum="")
            for one in described(self.distribution, self.package)
        ]

    def present(self) -> bool:
        """Whether the library is installed."""
        return self.digest() != ""

    def digest(self) -> str:
        """The library's name and version; "" where it isn't installed."""
        from ctx.libraries import digest

        return digest(self.distribution)


class Torch(_Docstrings):
    """Docstrings of PyTorch: tensors, networks, compilers."""

    name = "summarisation/torch"
    title = "PyTorch's docstrings"
    domain = "deep learning"
    licence = "BSD-3-Clause"
    citation = "PyTorch contributors. PyTorch, its docstrings."
    origin = "The installed package torch"
    distribution = package = "torch"


class Transformers(_Docstrings):
    """Docstrings of Transformers: language, vision and speech models."""

    name = "summarisation/transformers"
    title = "Transformers' docstrings"
    domain = "pretrained models"
    licence = "Apache-2.0"
    citation = "The Hugging Face team and contributors. Transformers, its docstrings."
    origin = "The installed package transformers"
    distribution = package = "transformers"


class Pandas(_Docstrings):
    """Docstrings of pandas: tables and time series."""

    name = "summarisation/pandas"
    title = "pandas' docstrings"
    domain = "data tables"
    licence = "BSD-3-Clause"
    citation = "The pandas development team. pandas, its docstrings."
    origin = "The installed package pandas"
    distribution = package = "pandas"


class ScikitLearn(_Docstrings):
    """Docstrings of scikit-learn: classical machine learning."""

    name = "summarisation/scikit-learn"
    title = "scikit-learn's docstrings"
    domain = "machine learning"
    licence = "BSD-3-Clause"
    citation = "The scikit-learn developers. scikit-learn, its docstrings."
    origin = "The installed package scikit-learn"
    distribution = "scikit-learn"
    package = "sklearn"


class Scipy(_Docstrings):
    """Docstrings of SciPy: numerical methods."""

    name = "summarisation/scipy"
    title = "SciPy's docstrings"
    domain = "numerical methods"
    licence = "BSD-3-Clause"
    citation = "The SciPy community. SciPy, its docstrings."
    origin = "The installed package scipy"
    distribution = package = "scipy"
