#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One process of another store for bench/store.py: does one thing and prints how long it took, as JSON.

usage: bench/store_peers.py PEER make    FOLDER DATA ROWS
       bench/store_peers.py PEER first   FOLDER DATA ROWS QUERY SPAWNED_NS [WORDS]
       bench/store_peers.py PEER write   FOLDER DATA ROWS SINGLES
       bench/store_peers.py PEER singles FOLDER DATA ROWS SINGLES
       bench/store_peers.py PEER filter  FOLDER DATA ROWS QUERIES
PEER is a name in bench/peer_stores.py. DATA is what bench/store_generate wrote, SPAWNED_NS the monotonic clock when the
process was started. `singles` inserts as `write` does, with a call of access(2) before and after each, so that strace
can count the fsyncs between.
"""

import json
import logging
import os
import pathlib
import shutil
import sys
import time

ENTERED_NS = time.monotonic_ns()


def since_ms(start_ns):
    return (time.monotonic_ns() - start_ns) / 1e6


def memory_kib(process="self"):
    """Of the process and its children: an older Milvus Lite runs in one."""
    lines = (line.split() for line in open(f"/proc/{process}/status"))
    values = {parts[0]: int(parts[1]) for parts in lines if parts[0] in ("RssAnon:", "RssFile:")}
    total = {"anonymous_kib": values["RssAnon:"], "mapped_kib": values["RssFile:"]}
    for children in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
        for child in children.read_text().split():
            for name, value in memory_kib(child).items():
                total[name] += value
    return total


def versions(peer):
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in peer.packages)


def insert_range(peer, start, stop, fields):
    rows = list(range(start, stop))
    peer.insert(rows, peer.data.vectors[start:stop], peer.data.texts(start, stop), fields[start:stop])


def make(peer):
    data = peer.data
    shutil.rmtree(peer.folder, ignore_errors=True)
    peer.imports()
    result = {"rows": data.rows, "versions": versions(peer)}
    started = time.monotonic_ns()
    if hasattr(peer, "insert_all"):
        peer.folder.mkdir(parents=True)
        peer.insert_all()
        return result | {"insert_ms": since_ms(started), "settle_ms": 0}
    fields = data.fields()
    peer.create()
    started = time.monotonic_ns()
    for start in range(0, data.rows, peer.batch):
        insert_range(peer, start, min(start + peer.batch, data.rows), fields)
    result["insert_ms"] = since_ms(started)
    started = time.monotonic_ns()
    peer.settle()
    result["settle_ms"] = since_ms(started)
    peer.close()
    return result


def first(peer, query, spawned_ns, words):
    """start_ms until this file runs, import_ms, then open and the first hit; the query vector is ready made."""
    peer.data.queries[query].sum()
    started = time.monotonic_ns()
    peer.imports()
    result = {"start_ms": (ENTERED_NS - spawned_ns) / 1e6, "import_ms": since_ms(started)}
    vector = peer.data.queries[query]
    started = time.monotonic_ns()
    peer.open()
    result["open_ms"] = since_ms(started)
    started = time.monotonic_ns()
    rows, text = peer.search(vector, words=words)
    result["hit_ms"] = since_ms(started)
    result |= memory_kib()
    started = time.monotonic_ns()
    peer.search(vector, words=words)
    result["second_ms"] = since_ms(started)
    return result | {"hits": rows, "text": text[:12], "versions": versions(peer)}


def singles(peer, count, fields, mark=False):
    """Inserts one node at a time; each must be the best hit for its own vector right after."""
    rows, queries = peer.data.rows, peer.data.queries
    inserted, found = [], []
    for i in range(count):
        row, vector = rows + i, queries[i : i + 1]
        if mark:
            os.access(f"/bench-mark-{i}", os.F_OK)
        started = time.monotonic_ns()
        peer.insert([row], vector, [peer.data.text(i)], fields[i : i + 1])
        inserted.append(since_ms(started))
        if mark:
            os.access(f"/bench-mark-{i}", os.F_OK)
            continue
        best, _ = peer.search(vector[0])
        found.append(since_ms(started))
        assert best[0] == row, f"row {row} was inserted but {best[0]} was found"
    return {"insert_one_ms": inserted, "insert_one_found_ms": found}


def write(peer, count):
    peer.imports()
    fields = peer.data.fields()
    peer.open()
    peer.search(peer.data.queries[0])
    result = {"versions": versions(peer)} | singles(peer, count, fields)
    for name, step, rest in (("1%", 100, 7), ("10%", 10, 3)):
        gone = [row for row in range(peer.data.rows) if row // 10 % step == rest]
        started = time.monotonic_ns()
        peer.delete(gone)
        rows, _ = peer.search(peer.data.vectors[gone[0]])
        result[f"delete_{name}_ms"] = since_ms(started)
        assert not set(rows) & set(gone), "a deleted node was found"
    peer.close()
    return result


def filtered(peer, count):
    import numpy as np

    peer.imports()
    data = peer.data
    fields = data.fields()
    peer.open()
    result = {"versions": versions(peer)}
    tests = {
        "0.01%": lambda f: f["author"] == "a0007",
        "0.1%": lambda f: f["score"] < 0.001,
        "1%": lambda f: f["year"] == 1950,
        "10%": lambda f: f["year"] >= 2016,
        "50%": lambda f: not f["draft"],
    }
    for name, test in tests.items():
        matching = np.array([row for row in range(data.rows) if test(fields[row])], dtype=np.int64)
        vectors = data.vectors[matching]
        where = peer.FILTERS[name]
        times, recalls = [], []
        for i in range(count + 3):
            query = data.queries[i]
            started = time.monotonic_ns()
            rows, _ = peer.search(query, where)
            elapsed = since_ms(started)
            if i < 3:
                continue
            times.append(elapsed)
            # A hit counts by its distance, since equal vectors may change places.
            scores = vectors @ query
            wanted = min(10, len(matching))
            worst = np.sort(scores)[-wanted] if wanted else 0
            good = sum(1 for row in rows if row in matching and data.vectors[row] @ query >= worst - 1e-5)
            recalls.append(good / wanted if wanted else float(not rows))
        result[name] = {"matching": len(matching), "ms": times, "recall": sum(recalls) / len(recalls)}
    peer.close()
    return result


def main():
    name, verb, folder, data_folder, rows, *rest = sys.argv[1:]
    logging.disable(logging.WARNING)
    from peer_stores import PEERS
    from store_data import Data

    peer = PEERS[name](folder, Data(data_folder, int(rows)))
    if verb == "make":
        result = make(peer)
    elif verb == "first":
        result = first(peer, int(rest[0]), int(rest[1]), rest[2] if len(rest) > 2 else None)
    elif verb == "write":
        result = write(peer, int(rest[0]))
    elif verb == "filter":
        result = filtered(peer, int(rest[0]))
    else:
        peer.imports()
        fields = peer.data.fields()
        peer.open()
        result = singles(peer, int(rest[0]), fields, mark=True)
    print("\n" + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
