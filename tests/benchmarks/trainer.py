"""Hugging Face's Trainer on the updates of one of our runs: by default, and with every advantage that it can be given.

The model is the same encoder with a mean over tokens and a linear head; a step is a batch of the source and one of the
target, L = L_source + λ·L_target, AdamW with the same rates. ``favoured``: our own batches of like length, frozen
layers without gradients and without dropout, fused AdamW, evaluation in sorted batches of 128; else random batches
padded to their longest, and the Trainer's own evaluation.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from ctx.backbones.minilm import MiniLM
from ctx.config import RunConfig, canonical, frozen_blocks, looked
from ctx.evaluation import some
from ctx.setup import Setup

transformers.logging.set_verbosity_error()


class Net(nn.Module):
    """The encoder, its mean over tokens, a linear head; called with a batch of either context or of both."""

    def __init__(self, frozen: int, lam: float, favoured: bool) -> None:
        super().__init__()
        self.bert = transformers.AutoModel.from_pretrained(MiniLM().folder(), attn_implementation="sdpa")
        self.head = nn.Linear(self.bert.config.hidden_size, 2)
        self.lam, self.favoured = lam, favoured
        self.cold = [self.bert.embeddings, *self.bert.encoder.layer[: frozen - 1]] if frozen else []
        self.bert.pooler = None  # nothing reads it
        for part in self.cold:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> Net:
        """Frozen layers stay in evaluation mode where that is an advantage."""
        super().train(mode)
        if self.favoured:
            for part in self.cold:
                part.eval()
        return self

    def logits(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """``[B, 2]``."""
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[..., None].to(states.dtype)
        found: Tensor = self.head((states * mask).sum(1) / mask.sum(1))
        return found

    def forward(self, labels: Tensor, **batch: Any) -> dict[str, Tensor]:
        """One context's loss and logits, or the loss of a step on both."""
        if "input_ids" in batch:
            out = self.logits(batch["input_ids"], batch["attention_mask"])
            return {"loss": nn.functional.cross_entropy(out, labels), "logits": out}
        source = self.logits(batch["source_ids"], batch["source_mask"])
        target = self.logits(batch["target_ids"], batch["target_mask"])
        loss = nn.functional.cross_entropy(source, labels)
        return {"loss": loss + self.lam * nn.functional.cross_entropy(target, batch["target_labels"])}


class Steps(torch.utils.data.Dataset[dict[str, Any]]):
    """An item a step: the rows of its two batches."""

    def __init__(self, setup: Setup, updates: range, favoured: bool) -> None:
        random = np.random.default_rng(updates.start)
        self.rows = {}
        for key in ("source", "target"):
            learn, sampler = setup.rows[key].learn, setup.samplers[key]
            if favoured:
                self.rows[key] = [sampler[n] for n in updates]
            else:
                size = min(setup.config.optim.batch, len(learn))
                self.rows[key] = [random.choice(learn, size, replace=False) for _ in updates]

    def __len__(self) -> int:
        return len(self.rows["source"])

    def __getitem__(self, n: int) -> dict[str, Any]:
        return {key: rows[n] for key, rows in self.rows.items()}


class Looks(torch.utils.data.Dataset[dict[str, Any]]):
    """An item an example."""

    def __init__(self, key: str, rows: np.ndarray) -> None:
        self.key, self.rows = key, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, n: int) -> dict[str, Any]:
        return {"key": self.key, "row": self.rows[n]}


class Clock(transformers.TrainerCallback):
    """Processor seconds from the end of the first step of a training to the end of its last."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A step is over."""
        self.ends.append(time.process_time())


class Arm:
    """One Trainer on updates of a configuration, timed in CPU seconds."""

    def __init__(self, config: RunConfig, favoured: bool) -> None:
        self.setup, self.favoured = Setup(canonical(config)), favoured
        frozen, _ = frozen_blocks(config)
        torch.manual_seed(0)
        net = Net(frozen, config.schedule.knobs.get("lam", 0.1), favoured)
        arguments = transformers.TrainingArguments(
            output_dir=tempfile.mkdtemp(),
            num_train_epochs=1,
            per_device_train_batch_size=1,
            per_device_eval_batch_size=128 if favoured else 8,
            learning_rate=5e-5,
            optim="adamw_torch_fused" if favoured else "adamw_torch",
            report_to=[],
            save_strategy="no",
            logging_steps=10**6,
            use_cpu=True,
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            train_sampling_strategy="sequential",
        )
        self.clock = Clock()
        self.trainer = transformers.Trainer(net, arguments, data_collator=self._collated, callbacks=[self.clock])

    def _padded(self, key: str, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        batch = self.setup.rows[key].encoded.batch(rows, 0)
        longest = int(batch.mask.sum(1).max())
        return batch.inputs[:, :longest], batch.mask[:, :longest].long(), batch.targets

    def _collated(self, items: list[dict[str, Any]]) -> dict[str, Tensor]:
        if "key" in items[0]:
            ids, mask, labels = self._padded(items[0]["key"], np.asarray([item["row"] for item in items]))
            return {"input_ids": ids, "attention_mask": mask, "labels": labels}
        (item,) = items
        source, target = (self._padded(key, item[key]) for key in ("source", "target"))
        found = {"source_ids": source[0], "source_mask": source[1], "labels": source[2]}
        return found | {"target_ids": target[0], "target_mask": target[1], "target_labels": target[2]}

    def update(self, updates: range) -> float:
        """One of these updates, their mean; what a training costs to begin is not counted, nor a step before them."""
        self.trainer.train_dataset = Steps(self.setup, range(updates.start - 1, updates.stop), self.favoured)  # type: ignore[assignment]
        self.clock.ends.clear()
        self.trainer.train()
        return (self.clock.ends[-1] - self.clock.ends[0]) / len(updates)

    def look(self) -> float:
        """What is looked at when an epoch is over."""
        most = looked(self.setup.config)
        return sum(self._answer(key, some(rows.validation, most)) for key, rows in self.setup.rows.items())

    def test(self) -> float:
        """Both test splits."""
        return sum(self._answer(key, rows.test) for key, rows in self.setup.rows.items())

    def _answer(self, key: str, rows: np.ndarray) -> float:
        if self.favoured:
            rows = rows[np.argsort(self.setup.rows[key].encoded.lengths[rows])]
        began = time.process_time()
        self.trainer.predict(Looks(key, rows))  # type: ignore[arg-type]
        return time.process_time() - began
