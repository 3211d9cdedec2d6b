"""How long sqlite-vec and pgvector take to find the ten nearest of the same vectors.

It reads the vectors as Alula had them, and those that are looked for, and prints a line of JSON
for each way to search. All of them run on the core that this process is kept on.
"""

import argparse
import json
import time

import apsw
import numpy
import psycopg
import sqlite_vec

parser = argparse.ArgumentParser()
parser.add_argument("vectors")
parser.add_argument("queries")
parser.add_argument("--dimensions", type=int, required=True)
parser.add_argument("--postgres")
options = parser.parse_args()


def read(path: str) -> numpy.ndarray:
    return numpy.memmap(path, dtype="<f4", mode="r").reshape(-1, options.dimensions)


vectors, queries = read(options.vectors), read(options.queries)


def tell(what: str, filled: float, search) -> None:
    search(queries[0])
    took = []
    for query in queries[1:]:
        started = time.perf_counter()
        found = search(query)
        took.append((time.perf_counter() - started) * 1000)
        assert len(found) == 10, found
    print(json.dumps({"what": what, "filled_s": filled, "took": sorted(took)}), flush=True)


def with_sqlite_vec() -> None:
    connection = apsw.Connection(":memory:")
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    connection.execute(
        f"CREATE VIRTUAL TABLE v USING vec0(e float[{options.dimensions}] distance_metric=cosine)"
    )
    started = time.perf_counter()
    with connection:
        connection.executemany(
            "INSERT INTO v (rowid, e) VALUES (?, ?)",
            ((row, vector.tobytes()) for row, vector in enumerate(vectors)),
        )
    filled = time.perf_counter() - started
    nearest = "SELECT rowid FROM v WHERE e MATCH ? AND k = 10 ORDER BY distance"
    tell("sqlite-vec", filled, lambda it: connection.execute(nearest, (it.tobytes(),)).fetchall())


def written(vector: numpy.ndarray) -> str:
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def with_pgvector(url: str) -> None:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("CREATE EXTENSION vector")
    connection.execute(f"CREATE TABLE v (id int, e vector({options.dimensions}))")
    started = time.perf_counter()
    with connection.cursor().copy("COPY v FROM STDIN") as rows:
        for row, vector in enumerate(vectors):
            rows.write_row((row, written(vector)))
    filled = time.perf_counter() - started
    connection.execute("SET max_parallel_workers_per_gather = 0")
    connection.execute("VACUUM ANALYZE v")
    nearest = "SELECT id FROM v ORDER BY e <=> %s::vector LIMIT 10"
    search = lambda it: connection.execute(nearest, (written(it),)).fetchall()
    tell("pgvector, exact", filled, search)
    connection.execute("SET maintenance_work_mem = '1GB'")
    connection.execute("SET max_parallel_maintenance_workers = 0")
    started = time.perf_counter()
    connection.execute("CREATE INDEX ON v USING hnsw (e vector_cosine_ops)")
    filled += time.perf_counter() - started
    connection.execute("SET enable_seqscan = off")
    tell("pgvector, HNSW", filled, search)


with_sqlite_vec()
if options.postgres:
    with_pgvector(options.postgres)
