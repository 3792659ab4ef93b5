"""Penalties that pull weights to where they were: L2-SP, and what EWC has in common with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from penalised import TARGET, begin, model, moved, part, step, total
from torch import Tensor

from ctx.packed import Packed, pack
from ctx.pull import PIECE, pull


def test_l2sp_is_half_alpha_times_the_squared_way_and_half_beta_times_a_fresh_heads_square() -> None:
    built, penalty = model(), part("l2sp", weight=0.6, head=0.2)
    given = moved(built)
    now = {name: p.detach().numpy() for name, p in built.named_parameters()}
    penalty.begin(begin(built, given, ("old", "new")))
    found = penalty.terms(step(built, TARGET, begin(built, given, ("old", "new"))))
    way = sum(((now[name] - given[name].numpy()) ** 2).sum() for name in now if ".new." not in name)
    size = sum((value**2).sum() for name, value in now.items() if ".new." in name)
    assert found["start"].item() == pytest.approx(0.3 * way, rel=1e-12)
    assert found["head"].item() == pytest.approx(0.1 * size, rel=1e-12)


def test_a_tensor_of_many_pieces_is_pulled_as_a_whole() -> None:
    torch.manual_seed(0)
    w, there = (torch.randn(7, PIECE // 3, dtype=torch.float64) for _ in range(2))
    packed = pack(there, torch.rand(7, PIECE // 3, dtype=torch.float64))
    start, firm = packed.weights(), packed.importance()
    w.requires_grad_()
    (3 * pull([w], [packed])).backward()
    assert pull([w], [packed]).item() == pytest.approx((firm * (w - start) ** 2).sum().item() / 2, rel=1e-12)
    assert torch.allclose(w.grad, 3 * firm * (w - start), rtol=1e-15, atol=0)


@pytest.mark.parametrize("firm", [True, False])
def test_after_the_losses_its_gradient_is_added_to_theirs_at_once(firm: bool) -> None:
    torch.manual_seed(0)
    weights, starts, firmness, theirs = (
        [torch.randn(7, PIECE // 3, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)] for _ in range(4)
    )
    packed = [pack(start, one.abs()) for start, one in zip(starts, firmness, strict=True)]
    towards: Sequence[Tensor | Packed] = packed if firm else starts
    for w in weights:
        w.requires_grad_()
    pull(weights, towards, 3.0).backward()
    alone = [w.grad for w in weights]
    weights[0].grad, weights[1].grad = theirs[0].t().contiguous().t(), None
    found = pull(weights, towards, 3.0, after=True)
    assert not found.requires_grad
    assert found.item() == pytest.approx(pull(weights, towards, 3.0).item(), rel=1e-12)
    assert torch.allclose(weights[0].grad, theirs[0] + alone[0], rtol=1e-12)  # type: ignore[operator]
    assert torch.allclose(weights[1].grad, alone[1], rtol=1e-12)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["l2sp", "ewc"])
def test_a_penalty_of_weights_gives_the_same_gradients_before_and_after(name: str) -> None:
    built = model()
    given = moved(built)
    started, found = begin(built, given, ("old", "new")), []
    for after in (False, True):
        penalty = part(name, weight=2.0, **({"head": 0.2} if name == "l2sp" else {}))
        penalty.begin(started)
        built.zero_grad()
        terms = penalty.terms(replace(step(built, TARGET, started), after=after))
        for term in terms.values():
            if term.requires_grad:
                term.backward()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in built.parameters()]
        found.append((sum(term.item() for term in terms.values()), torch.cat([one.flatten() for one in gradients])))
    (before, own), (later, added) = found
    assert before == pytest.approx(later, rel=1e-12)
    assert before > 0
    assert torch.allclose(own, added, rtol=1e-9)


def test_l2sp_in_the_first_phase_pulls_to_where_that_began_and_copies_no_head() -> None:
    built, penalty = model(), part("l2sp", weight=2.0)
    started = begin(built)
    penalty.begin(started)
    assert total(penalty, step(built, TARGET, started)).item() == 0
    before = moved(built)
    found = penalty.terms(step(built, TARGET, started))
    now = dict(built.named_parameters())
    way = sum(float((now[n].detach() - before[n]).square().sum()) for n in now if n.startswith("blocks."))
    assert set(found) == {"start"}
    assert found["start"].item() == pytest.approx(way, rel=1e-12)
    assert set(penalty.state()) == {name for name in now if name.startswith("blocks.")}


def test_l2sp_holds_a_pretrained_decoder_where_it_was() -> None:
    built, penalty = model(), part("l2sp", weight=2.0, head=1.0)
    built.heads["old"].pretrained = True  # type: ignore[assignment]
    before = {name: p.detach().clone() for name, p in built.named_parameters()}
    started = begin(built)
    penalty.begin(started)
    penalty.terms(step(built, TARGET, started))
    moved(built)
    found = penalty.terms(step(built, TARGET, started))
    held = [name for name in before if not name.startswith("heads.new")]
    way = sum(float((p.detach() - before[n]).square().sum()) for n, p in built.named_parameters() if n in held)
    fresh = sum(float(p.detach().square().sum()) for p in built.heads["new"].parameters())
    assert (found["start"].item(), found["head"].item()) == pytest.approx((way, fresh / 2), rel=1e-12)


@pytest.mark.parametrize("name", ["l2sp", "ewc"])
def test_what_is_held_takes_the_room_of_the_weights_once(name: str) -> None:
    built, penalty = model(), part(name)
    given = {key: p.detach().clone() for key, p in built.named_parameters()}
    penalty.begin(begin(built, given))
    penalty.terms(step(built, TARGET, begin(built, given)))
    units = len(given) if name == "ewc" else 0  # a scalar a tensor
    held = [*penalty.state().values(), *penalty.handed().values()]
    assert sum(one.nbytes for one in held) == sum(p.nbytes for p in built.parameters()) + 8 * units


def test_a_layer_that_begins_to_learn_later_is_pulled_to_where_it_was() -> None:
    built = model()
    built.requires_grad_(False)
    built.heads["old"].requires_grad_(True)
    given = {name: p.detach().clone() for name, p in built.named_parameters()}
    for penalty in (part("l2sp", weight=2.0), part("ewc", weight=2.0)):
        started = begin(built, given if penalty.name == "ewc" else None)
        penalty.begin(started)
        first = penalty.terms(step(built, TARGET, started))
        built.requires_grad_(True)
        assert total(penalty, step(built, TARGET, started)).item() < 1e-20
        before = moved(built)
        assert total(penalty, step(built, TARGET, started)).item() > 1e-6
        built.load_state_dict(before)
        built.requires_grad_(False)
        built.heads["old"].requires_grad_(True)
        assert set(first) == (set() if penalty.name == "l2sp" else {"kept"})
