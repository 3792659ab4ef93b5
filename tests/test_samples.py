"""The sample sentences: enough of them, balanced, varied, and no single cue gives the label away.

Seen when they were written, accuracy of a bag of words (mean of 5 folds over frames, 3 seeds): cafes-en .70,
gadgets-en .68, cafes-zh .75; trained on one English file and tested on the other: .64 (gadgets) and .65 (cafés).
"""

from collections import Counter, defaultdict

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline

import ctx.home
from ctx.contexts.samples import CafesChinese, CafesEnglish, GadgetsEnglish, SampleContext
from ctx.errors import Unavailable
from ctx.parts import Example
from ctx.registry import registry

SAMPLES = [CafesEnglish, GadgetsEnglish, CafesChinese]
every_sample = pytest.mark.parametrize("context", SAMPLES, ids=lambda context: context.name)


def bag_of_words(language: str) -> Pipeline:
    words = TfidfVectorizer(analyzer="char", ngram_range=(1, 2)) if language == "zh" else TfidfVectorizer()
    return make_pipeline(words, LogisticRegression(C=5))


def by_frame(examples: list[Example]) -> dict[str, list[Example]]:
    frames = defaultdict(list)
    for example in examples:
        frames[example.group].append(example)
    return frames


def is_chinese(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


@every_sample
def test_the_registry_finds_every_sample(context: type[SampleContext]) -> None:
    assert registry("contexts")[context.name] is context
    assert context.sample
    assert (context.application, context.labels) == ("sentiment", ("negative", "positive"))


@every_sample
def test_a_sample_is_large_and_balanced(context: type[SampleContext]) -> None:
    labels = Counter(example.output for example in context().examples())
    assert labels.total() >= 320
    assert set(labels) == {"negative", "positive"}
    assert min(labels.values()) >= 0.45 * labels.total()


@every_sample
def test_no_sentence_and_no_id_comes_twice(context: type[SampleContext]) -> None:
    examples = context().examples()
    assert len({example.input.casefold() for example in examples}) == len(examples)
    assert len({example.id for example in examples}) == len(examples)


@every_sample
def test_frames_are_many_small_and_mostly_hold_both_labels(context: type[SampleContext]) -> None:
    frames = by_frame(context().examples())
    assert len(frames) >= 64
    assert max(map(len, frames.values())) <= 8
    both = sum(len({example.output for example in frame}) == 2 for frame in frames.values())
    assert both >= len(frames) / 2


@every_sample
def test_sentences_are_short_and_long(context: type[SampleContext]) -> None:
    chinese = context.language == "zh"
    texts = [example.input for example in context().examples()]
    lengths = [sum(map(is_chinese, text)) if chinese else len(text.split()) for text in texts]
    assert min(lengths) == 3
    assert max(lengths) >= (40 if chinese else 25)


@every_sample
def test_words_alone_tell_the_label_better_than_chance_but_not_perfectly(context: type[SampleContext]) -> None:
    examples = context().examples()
    texts, labels, frames = zip(*((example.input, example.output, example.group) for example in examples), strict=True)
    folds = [GroupKFold(5, shuffle=True, random_state=seed) for seed in range(3)]
    model = bag_of_words(context.language)
    scores = [cross_val_score(model, texts, labels, groups=frames, cv=fold).mean() for fold in folds]
    assert 0.60 < sum(scores) / len(scores) < 0.95


@pytest.mark.parametrize(("source", "target"), [(CafesEnglish, GadgetsEnglish), (GadgetsEnglish, CafesEnglish)])
def test_words_of_one_english_sample_carry_to_the_other(
    source: type[SampleContext], target: type[SampleContext]
) -> None:
    learnt, asked = source().examples(), target().examples()
    model = bag_of_words("en").fit([example.input for example in learnt], [example.output for example in learnt])
    accuracy = model.score([example.input for example in asked], [example.output for example in asked])
    assert 0.58 < accuracy < 0.95


def test_the_chinese_sample_is_chinese_and_the_english_ones_are_not() -> None:
    def share(context: type[SampleContext]) -> float:
        text = "".join(example.input for example in context().examples())
        return sum(map(is_chinese, text)) / len(text)

    assert share(CafesChinese) > 0.85
    assert share(CafesEnglish) == share(GadgetsEnglish) == 0


def test_a_digest_names_the_content_of_the_file() -> None:
    digests = {context().digest() for context in SAMPLES}
    assert len(digests) == 3
    assert all(len(digest) == 64 for digest in digests)
    assert CafesEnglish().digest() == CafesEnglish().digest()


def test_a_missing_file_is_said_in_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(ctx.home, "project", lambda: tmp_path)
    with pytest.raises(Unavailable, match=r"cafes-en\.csv can't be read: restore it"):
        CafesEnglish().examples()
    with pytest.raises(Unavailable, match=r"cafes-en\.csv can't be read: restore it"):
        CafesEnglish().digest()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a CSV file"),
        (b"id,text,label,frame\n1,\xff\xfe,positive,a\n", "not a CSV file"),
        (b"id,text,label\n1,Fine.,positive\n", "columns should be id, text, label, frame"),
        (b"id,text,label,frame\n1,Fine.,positive,a\n2,Fine?,meh,a\n", "line 3"),
        (b"id,text,label,frame\n1,Fine.\n", "line 2"),
        (b"id,text,label,frame\n1,,positive,a\n", "line 2"),
    ],
)
def test_a_damaged_file_is_said_in_one_sentence(content: bytes, why: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(ctx.home, "project", lambda: tmp_path)
    (tmp_path / "sample_data").mkdir()
    (tmp_path / "sample_data" / "cafes-en.csv").write_bytes(content)
    with pytest.raises(Unavailable, match=why):
        CafesEnglish().examples()
