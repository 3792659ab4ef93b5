"""The store: runs are found again rather than trained twice, a missing value is a gap, faults are one sentence."""

import math
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from stores import lesson, stored

from ctx import database
from ctx.errors import BadInput, StoreError
from ctx.schema import REVISION, metadata
from ctx.store import Store, open_store


@pytest.fixture
def store(home: Path) -> Store:
    return open_store()


def finished(store: Store, seed: int = 0, **final: object) -> str:
    run = store.add_run(lesson(seed))
    claimed = store.claim("me", only=run.id)
    assert claimed is not None
    assert store.finish(claimed, "done", final)
    return run.id


def test_what_the_store_holds_is_not_trained_again(store: Store) -> None:
    first = store.add_run(lesson())
    assert store.add_run(lesson()).id == first.id
    assert store.add_run(lesson(), owner="somebody else").id != first.id
    assert store.add_run(lesson(), again=True).id != first.id
    assert store.add_run(lesson(seed=1)).id != first.id


def test_a_failed_stopped_or_deleted_run_is_not_taken_for_the_result(store: Store) -> None:
    first = store.add_run(lesson())
    store.request_stop([first.id])
    second = store.add_run(lesson())
    assert second.id != first.id
    store.delete([second.id])
    assert store.add_run(lesson()).id not in (first.id, second.id)


def test_a_study_queues_its_rows_in_order_and_shares_runs_that_are_there(store: Store) -> None:
    there = finished(store, seed=1)
    study = store.add_study("tweets", {"guess": "helps"}, [("both", seed, lesson(seed)) for seed in (2, 1, 3, 2)])
    rows = store.study_runs(study.id)
    assert [(arm, draw, run.config.seed) for arm, draw, run in rows] == [("both", d, d) for d in (2, 1, 3, 2)]
    assert rows[1][2].id == there
    assert rows[0][2].id == rows[3][2].id
    assert store.study(study.id[:8]) == store.studies()[0] == study
    assert [store.claim("me").config.seed for _ in range(2)] == [2, 3]  # type: ignore[union-attr]


def test_a_run_is_found_by_the_start_of_its_id(store: Store) -> None:
    run = store.add_run(lesson())
    assert store.run(run.id[:6]).id == run.id
    for wrong in (run.id[:5], "nowhere", "%%%%%%", ""):
        with pytest.raises(BadInput, match=run.id):
            store.run(wrong)


def test_runs_are_searched_in_names_notes_and_settings_literally(store: Store) -> None:
    run, other = store.add_run(lesson(0)), store.add_run(lesson(1))
    store.rename(run.id, name="100% <b>", note="first try")
    assert [found.id for found in store.runs(search="100% TRY")] == [run.id]
    assert [found.id for found in store.runs(search="%")] == [run.id]
    assert {found.id for found in store.runs(search="lesson/relative")} == {run.id, other.id}
    assert [found.id for found in store.runs(limit=1)] == [other.id]
    store.delete([run.id])
    assert [found.id for found in store.runs()] == [other.id]
    assert [found.id for found in store.runs(deleted=True)] == [run.id]
    store.undelete([run.id])
    assert len(store.runs()) == 2


def test_a_missing_value_is_a_gap(store: Store) -> None:
    run = store.add_run(lesson())
    claimed = store.claim("me")
    assert claimed is not None
    assert store.write(claimed, [(0, "a", 1.5), (1, "a", math.nan), (2, "a", math.inf), (3, "b/c", None)])
    frame = store.points([run.id])
    assert frame["value"].isna().tolist() == [False, True, True, True]
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM metrics WHERE value IS NULL")).scalar() == 3
    store.finish(claimed, "done", {"metrics": {"target": {"r2": math.nan, "mse": np.float32(0.5)}, "source": None}})
    assert store.run(run.id).final == {"metrics": {"target": {"r2": None, "mse": 0.5}, "source": None}}


def test_points_are_read_by_name_by_prefix_and_from_where_one_left_off(store: Store) -> None:
    one, two = store.add_run(lesson(0)), store.add_run(lesson(1))
    for claimed in (store.claim("me"), store.claim("me")):
        assert claimed is not None
        rows = [(step, name, float(step)) for step in range(4) for name in ("loss/source", "loss/target", "losses")]
        store.write(claimed, rows)
    assert set(store.points([one.id], ["loss/"])["name"]) == {"loss/source", "loss/target"}
    after = store.series([one.id, two.id], ["losses"], after=1)
    assert {run: told["losses"][0].tolist() for run, told in after.items()} == {one.id: [2, 3], two.id: [2, 3]}
    assert store.points([one.id], ["nothing"]).columns.tolist() == ["run", "name", "step", "value"]


def test_outputs_come_back_as_they_were(store: Store) -> None:
    run = store.add_run(lesson())
    claimed = store.claim("me")
    assert claimed is not None
    logits = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    store.finish(claimed, "done", {}, outputs={"test/target": logits})
    back = store.output(run.id, "test/target")
    assert back is not None
    np.testing.assert_array_equal(back, logits)
    assert store.output(run.id, "test/source") is None


def test_the_table_has_a_row_a_run_with_defaults_filled_in(store: Store) -> None:
    finished(store, 0, metrics={"target": {"r2": 0.5}, "source": None}, floor={"target": {"r2": 0.0}})
    store.add_run(lesson(1))
    table = store.table().set_index("seed")
    assert table.loc[0, "target/r2"] == 0.5
    assert table.loc[0, "floor/target/r2"] == 0.0
    assert math.isnan(table.loc[1, "target/r2"])
    assert table.loc[0, "schedule.lam"] == 0.1
    assert table.loc[0, ["source", "target", "target.size", "backbone"]].tolist() == [
        "lesson/base",
        "lesson/relative",
        20,
        "mlp",
    ]
    assert store.table([]).empty


def test_purging_leaves_nothing_of_a_deleted_run(store: Store) -> None:
    run_id = finished(store)
    kept = finished(store, 1)
    store.delete([run_id])
    assert store.purge() == [run_id]
    assert [run.id for run in store.runs()] == [kept]
    assert store.points([run_id]).empty


def test_the_migrations_make_the_tables_that_the_code_describes(store: Store) -> None:
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_a_store_of_an_older_version_is_brought_up_to_date_with_a_backup_but_not_by_a_page(home: Path) -> None:
    path = home / "ctx.sqlite"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE alembic_version (version_num TEXT)")
        old.execute("INSERT INTO alembic_version VALUES ('0000')")
    with pytest.raises(StoreError, match="older version"):
        open_store(migrate=False)
    with pytest.raises(StoreError, match="0000"):  # no such version ever was
        open_store()
    assert (home / "ctx.sqlite.backup-0000").exists()


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_a_store_of_an_earlier_version_is_brought_up_to_date_with_its_rows_and_a_backup(
    version: str, home: Path
) -> None:
    path = home / "ctx.sqlite"
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        connection.execute(
            text(
                "INSERT INTO jobs (id, kind, payload, owner, state, progress, attempt, created) "
                "VALUES ('j', 'fetch', '{}', 'ann', 'done', '', 1, 0)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO runs (id, key, state, owner, name, note, config, manifest, attempt, crashes, "
                "stop_requested, step, created) "
                "VALUES (:run, 'k', 'done', 'ann', '', '', '{}', '{}', 1, 0, false, 3, 0)"
            ),
            [{"run": "trained"}, {"run": "copied"}],
        )
        points = [{"run": run, "step": step, "value": step / 3} for run in ("trained", "copied") for step in range(4)]
        connection.execute(text("INSERT INTO metrics VALUES (:run, 'loss/source', :step, :value)"), points)
    engine.dispose()
    with pytest.raises(StoreError, match="older version"):
        open_store(migrate=False)
    store = open_store()
    assert (store.job("j").owner, store.job("j").result) == ("ann", None)
    points_of = {("loss/source", step): step / 3 for step in range(4)}
    assert stored(store, "trained") == stored(store, "copied") == points_of
    store.delete(["trained"])
    assert store.purge() == ["trained"]
    assert stored(store, "copied") == points_of, "a copy stays as it is"
    assert (home / f"ctx.sqlite.backup-{version}").is_file()


def test_a_store_from_a_newer_version_is_left_alone(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer version of ctx.*update ctx"):
        open_store()


def test_a_damaged_store_is_said_to_be_damaged(home: Path) -> None:
    (home / "ctx.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"ctx\.sqlite is damaged.*move it away"):
        open_store()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////proc/nowhere/ctx.sqlite", "can't be written.*CTX_HOME"),
        ("sqlite:////dev/null/ctx.sqlite", "can't be written.*CTX_HOME"),
        ("nonsense", "is no database URL.*CTX_STORE"),
        ("elsewhere://host/base", "driver"),
    ],
)
def test_a_store_that_cannot_be_opened_says_what_to_change(url: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        open_store(url)


def test_a_store_that_another_program_holds_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    hasty = open_store()
    with sqlite3.connect(database.file_of(store.url) or "", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(database.StoreBusy, match=r"in use by another program.*try again"):
            hasty.add_run(lesson())
        assert hasty.runs() == []  # reading goes on
        other.execute("ROLLBACK")
    assert hasty.add_run(lesson()).state == "queued"


def test_a_full_disk_is_said_to_be_full(store: Store) -> None:
    run = store.add_run(lesson())
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    claimed = store.claim("me")
    assert claimed is not None
    rows = [(step, "a-rather-long-name", 1.0) for step in range(20_000)]
    with pytest.raises(database.StoreBusy, match="no space left"):
        store.write(claimed, rows)
    assert store.points([run.id]).empty


def test_a_thousand_runs_are_listed_in_well_under_a_second(store: Store) -> None:
    rows = [("both", seed, lesson(seed)) for seed in range(1000)]
    store.add_study("many", {}, rows)
    began = time.perf_counter()
    assert len(store.table()) == 1000
    assert time.perf_counter() - began < 1.0
