"""Products of matrices are the same whichever library makes them, and one machine keeps to one library."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from adapted import models
from torch import nn

from ctx import kept, products, writer
from ctx.parts import Choice
from ctx.registry import make

__all__ = ["models"]

ROWS, INPUTS, OUTPUTS = 37, 24, 40


@pytest.fixture
def chosen() -> Iterator[None]:
    """Nothing is known of this machine yet, before or after."""
    products.onednn.cache_clear()
    yield
    products.onednn.cache_clear()


@pytest.fixture(params=[False, True], ids=["torch's own", "oneDNN"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch was built without oneDNN")
    monkeypatch.setattr(products, "onednn", lambda: request.param)
    return bool(request.param)


def test_they_are_those_of_the_definitions(library: bool) -> None:
    torch.manual_seed(0)
    x, weight, bias, grad, plus = (
        torch.randn(*size) for size in ((ROWS, INPUTS), (OUTPUTS, INPUTS), (OUTPUTS,), (ROWS, OUTPUTS), (ROWS, INPUTS))
    )
    pairs = [
        (products.linear(x, weight, bias), x.double() @ weight.double().t() + bias.double()),
        (products.back(grad, weight), grad.double() @ weight.double()),
        (products.back(grad, weight, plus), plus.double() + grad.double() @ weight.double()),
        (products.outer(grad, x), grad.double().t() @ x.double()),
    ]
    for found, expected in pairs:
        assert found.dtype is torch.float32
        assert found.is_contiguous()
        assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-4)


def test_columns_of_a_larger_matrix_are_read_as_they_stand(library: bool) -> None:
    torch.manual_seed(0)
    wide, weight = torch.randn(ROWS, 3 * OUTPUTS), torch.randn(OUTPUTS, INPUTS)
    part = wide[:, OUTPUTS : 2 * OUTPUTS]
    assert torch.allclose(products.back(part, weight), part @ weight, rtol=1e-5, atol=1e-4)
    assert torch.allclose(products.outer(part, wide), part.t() @ wide, rtol=1e-5, atol=1e-4)


def test_a_map_is_a_linear_map_with_its_gradients(library: bool) -> None:
    torch.manual_seed(0)
    plain, x = nn.Linear(INPUTS, OUTPUTS), torch.randn(3, ROWS, INPUTS)
    quick = nn.Sequential(copy.deepcopy(plain), nn.Linear(2, 2, bias=False))
    products.quicken(quick)
    assert [type(one) for one in quick] == [products.Map, nn.Linear]
    found = []
    for one in (plain, quick[0]):
        read = x.clone().requires_grad_()
        out = one(read)
        out.sin().sum().backward()
        assert out.shape == (3, ROWS, OUTPUTS)
        found.append([out.detach(), read.grad, one.weight.grad, one.bias.grad])
    for own, other in zip(*found, strict=True):
        assert torch.allclose(own, other, rtol=1e-4, atol=1e-4)
    assert quick[0](x[:, :0]).shape == (3, 0, OUTPUTS)
    quick[0].weight.requires_grad_(False)
    read = x.clone().requires_grad_()
    quick[0](read).sum().backward()
    assert torch.allclose(read.grad, plain.weight.sum(0).expand_as(x), rtol=1e-4, atol=1e-4)
    assert torch.equal(quick[0](x[0, :3]), nn.functional.linear(x[0, :3], plain.weight, plain.bias))
    assert plain.state_dict().keys() == quick[0].state_dict().keys()


def test_maps_stand_where_layers_are_not_written_out(models: dict[str, Choice]) -> None:
    roberta, _ = make("backbones", models["xlm-roberta"]).blocks(0)
    maps = [one for _, block in roberta for one in block.modules() if type(one) is products.Map]
    assert len(maps) >= 6 * (len(roberta) - 1)
    layer = writer.Layer(32, 0.0)
    assert not [one for one in layer.modules() if type(one) is nn.Linear]


def test_twice_they_are_the_same_to_the_bit(library: bool) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(512, 384), torch.randn(1536, 384), torch.randn(1536)
    first = products.linear(x, weight, bias)
    assert torch.equal(products.linear(x, weight, bias), first)
    assert torch.equal(products.outer(first, x), products.outer(first, x))


def test_more_exact_numbers_are_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn", lambda: True)
    x, weight = torch.randn(ROWS, INPUTS, dtype=torch.double), torch.randn(OUTPUTS, INPUTS, dtype=torch.double)
    assert torch.equal(products.outer(x @ weight.t(), x), (x @ weight.t()).t() @ x)


def test_which_is_quicker_is_measured_once_and_kept(chosen: None, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[float] = []
    monkeypatch.setattr(products, "_faster", lambda: measured.append(2.0) or 2.0)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert products.onednn()
    products.onednn.cache_clear()  # another process
    assert products.onednn()
    assert len(measured) == 1


def test_processes_that_begin_together_have_the_same_answer(chosen: None, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, began = iter([2.0, 1.0]), threading.Barrier(2)

    def measured() -> float:
        time.sleep(0.1)
        return next(answers)

    def another() -> bool:
        began.wait()
        return products.onednn.__wrapped__()

    monkeypatch.setattr(products, "_faster", measured)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: another(), range(2))) == [True, True]


def test_what_was_kept_and_is_damaged_is_measured_again(chosen: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_faster", lambda: 1.0)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(kept, "document", lambda folder, name: {"onednn": "quick"})
    assert not products.onednn()


def test_a_measurement_is_of_both_and_leaves_threads_as_they_were() -> None:
    threads = torch.get_num_threads()
    assert products._faster() >= 0
    assert torch.get_num_threads() == threads


def test_a_build_without_oneDNN_has_torchs_own(chosen: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not products.onednn()
