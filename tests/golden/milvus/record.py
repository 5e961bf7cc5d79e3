#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what pymilvus sends into this folder, as the oracle of the requests that Milvus Lite cannot be asked.

usage: PYTHON record.py, with a Python that has pymilvus 3.0.2 (tools/servers.lock). A server that records answers it
with what is needed to go on. Each request is one file NAME.txt: the method, the metadata that say who asks, and the
message in protobuf's text format.
"""

import pathlib
from concurrent import futures

import grpc
from google.protobuf import text_format
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

HERE = pathlib.Path(__file__).resolve().parent
SERVICE = "milvus.proto.milvus.MilvusService"
REQUESTS = {
    "CreateCollection": milvus_pb2.CreateCollectionRequest,
    "CreateIndex": milvus_pb2.CreateIndexRequest,
    "Upsert": milvus_pb2.UpsertRequest,
    "Delete": milvus_pb2.DeleteRequest,
    "Query": milvus_pb2.QueryRequest,
    "Search": milvus_pb2.SearchRequest,
}


class Recorder(grpc.GenericRpcHandler):
    def __init__(self):
        self.seen = []  # (method, request, metadata)
        self.schema = schema_pb2.CollectionSchema()

    def service(self, details):
        method = details.method.rpartition("/")[2]
        metadata = {k: v for k, v in details.invocation_metadata if k in ("authorization", "dbname")}

        def answer(data, _context):
            if method in REQUESTS:
                request = REQUESTS[method].FromString(data)
                self.seen.append((method, request, metadata))
                if method == "CreateCollection":
                    self.schema = schema_pb2.CollectionSchema.FromString(request.schema)
            if method == "Connect":
                return milvus_pb2.ConnectResponse(identifier=1, server_info=common_pb2.ServerInfo(build_tags="3.0.0"))
            if method == "DescribeCollection":
                return milvus_pb2.DescribeCollectionResponse(schema=self.schema, collection_name=self.schema.name)
            if method == "GetLoadingProgress":
                return milvus_pb2.GetLoadingProgressResponse(progress=100)
            if method == "DescribeIndex":
                index = milvus_pb2.IndexDescription(
                    index_name="vector", field_name="vector", state=common_pb2.Finished
                )
                return milvus_pb2.DescribeIndexResponse(index_descriptions=[index])
            if method in ("Upsert", "Delete"):
                return milvus_pb2.MutationResult()
            if method == "Query":
                ids = schema_pb2.FieldData(field_name="id", type=DataType.INT64)
                ids.scalars.long_data.data.append(1)
                return milvus_pb2.QueryResults(fields_data=[ids])
            if method == "Search":
                return milvus_pb2.SearchResults(results=schema_pb2.SearchResultData(num_queries=1, topks=[0]))
            if method == "HasCollection":
                return milvus_pb2.BoolResponse()
            return common_pb2.Status()

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=bytes, response_serializer=lambda message: message.SerializeToString()
        )


def write(name, seen, method):
    """The last request of that method."""
    request, metadata = next((request, metadata) for m, request, metadata in reversed(seen) if m == method)
    if method == "Query":
        request.ClearField("guarantee_timestamp")  # Of an iterator: now.
    if method == "CreateCollection":
        schema = schema_pb2.CollectionSchema.FromString(request.schema)
        text = text_format.MessageToString(schema, as_utf8=True)
    else:
        text = text_format.MessageToString(request, as_utf8=True)
    lines = [f"# {method}"] + [f"# {key}: {value}" for key, value in sorted(metadata.items())]
    (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n" + text)


def schema():
    result = MilvusClient.create_schema(auto_id=False)
    result.add_field("id", DataType.INT64, is_primary=True)
    result.add_field("vector", DataType.FLOAT_VECTOR, dim=3)
    for name in ("text", "payload"):
        result.add_field(name, DataType.VARCHAR, max_length=65535)
        result.add_field(
            f"{name}_rest",
            DataType.ARRAY,
            element_type=DataType.VARCHAR,
            max_length=65535,
            max_capacity=4096,
            nullable=True,
        )
    result.add_field("f_year", DataType.INT64, nullable=True)
    result.add_field("f_author", DataType.VARCHAR, max_length=65535, nullable=True)
    return result


INDEXES = {
    "hnsw": ("HNSW", "COSINE", {"M": 16, "efConstruction": 200}, {"ef": 64}),
    "diskann": ("DISKANN", "L2", {"search_list_size": 100, "max_degree": 56}, {"search_list": 50}),
    "gpu_cagra": (
        "GPU_CAGRA",
        "IP",
        {"intermediate_graph_degree": 64, "graph_degree": 32},
        {"itopk_size": 128, "search_width": 4},
    ),
    "ivf_pq": ("IVF_PQ", "L2", {"nlist": 128, "m": 3, "nbits": 8}, {"nprobe": 8}),
}


def main():
    recorder = Recorder()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((recorder,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = MilvusClient(f"http://127.0.0.1:{port}", user="root", password="Milvus", db_name="books")
    for name, (kind, metric, build, search) in INDEXES.items():
        client.create_collection("kb_nodes", schema=schema(), consistency_level="Strong")
        write("create_collection", recorder.seen, "CreateCollection")
        params = client.prepare_index_params()
        params.add_index("vector", index_type=kind, metric_type=metric, index_name="vector", params=build)
        client.create_index("kb_nodes", params)
        write(f"create_index_{name}", recorder.seen, "CreateIndex")
        client.search(
            "kb_nodes",
            data=[[1.0, 0.5, -2.0]],
            anns_field="vector",
            filter="f_year >= 2020",
            limit=7,
            search_params={"metric_type": metric, "params": search},
            consistency_level="Strong",
        )
        write(f"search_{name}", recorder.seen, "Search")
    client.search("kb_nodes", data=[[1.0, 0.5, -2.0]], anns_field="vector", limit=7, consistency_level="Bounded")
    write("search_bounded", recorder.seen, "Search")
    rows = [
        {"id": 5, "vector": [1, 2, 3], "text": "first", "text_rest": None, "payload": "{}", "payload_rest": None}
        | {"f_year": 2020, "f_author": None},
        {"id": 6, "vector": [4, 5, 6], "text": "第二", "text_rest": ["more"], "payload": "", "payload_rest": None}
        | {"f_year": None, "f_author": "Li"},
    ]
    client.upsert("kb_nodes", rows)
    write("upsert", recorder.seen, "Upsert")
    client.delete("kb_nodes", filter="id in [5, 6]")
    write("delete", recorder.seen, "Delete")
    client.query("kb_nodes", filter="f_year is null", output_fields=["id"], consistency_level="Strong")
    write("query", recorder.seen, "Query")
    client.query_iterator("kb_nodes", filter="f_year is null", output_fields=["id"], batch_size=100).next()
    write("query_lowest", recorder.seen, "Query")
    client.close()
    server.stop(None)


if __name__ == "__main__":
    main()
