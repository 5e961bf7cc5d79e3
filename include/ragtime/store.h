// SPDX-License-Identifier: Apache-2.0
//
// A Store keeps documents and nodes and finds nodes by vector and by words. Commit writes; a Snapshot reads.
// It knows nothing of the files that documents come from, of readers, splitters or models.
//
// Threads: Commit may be called by one thread at a time; everything else concurrently, also with Commit.
// Errors: a Commit that fails has no effect.
#ifndef RAGTIME_STORE_H_
#define RAGTIME_STORE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/context.h"
#include "ragtime/document.h"
#include "ragtime/filter.h"
#include "ragtime/index.h"
#include "ragtime/node.h"
#include "ragtime/status.h"

namespace ragtime {

// What a backend can do, fixed when it is opened. Callers plan with it.
struct StoreTraits {
  bool durable = false;             // What Commit acknowledged survives a crash of the process and of the machine.
  size_t commit_nodes_max = 65536;  // A larger commit is refused with kInvalidArgument.
  bool named_vectors = false;       // Keeps NewNode::named; else a commit with any is kUnimplemented.
};

struct Hit {
  NodeId node_id = 0;
  float score = 0;  // Higher is better.
  friend bool operator==(const Hit&, const Hit&) = default;
};

struct VectorQuery {
  std::span<const float> vector;
  size_t limit = 10;
  std::string group;  // "": all groups.
  Filter filter;      // On the fields of NodeFields.
  VectorSearchParameters parameters;
  // Which vectors of NewNode::named; "": NewNode::vector. Nodes without that vector are not found; kInvalidArgument
  // where the store has no such key.
  std::string key = {};
};

struct KeywordQuery {
  std::string text;  // Cut into words by the store as the nodes' texts were.
  size_t limit = 10;
  std::string group;  // "": all groups.
  Filter filter;      // On the fields of NodeFields. Words are counted over all nodes all the same.
  // What stands in quotes in `text` ("...", “...”, 「...」) is a condition: its words must follow one another. Else
  // quotes only separate words.
  bool phrases = true;
};

// One file with all its nodes.
struct DocumentWrite {
  FileRecord file;  // file_path is the key: a row of that path is replaced, its nodes are deleted. `id` is ignored but
                    // see keep_id.
  std::vector<NewNode> nodes;  // In the order of (group, position).
  // True: only the row changes (a move, an error, a new time); `file.id` names the row, and its nodes and fields stay.
  bool keep_id = false;
};

// Everything in it becomes visible at once, or nothing does.
struct WriteBatch {
  std::vector<DocumentWrite> documents;  // In the order of their paths. Rows of the folders above are made as needed.
  std::vector<DocumentId>
      erased;  // Documents that go, with their nodes; folders left empty go too. Unknown ids are no error.
  std::map<std::string, std::string> settings;  // Put into the settings.
  // Declares the fields that documents have from now on, those of this batch included. Documents of before keep the
  // values whose name and type are still declared, and have null in new fields.
  std::optional<std::vector<FieldSpec>> fields;
  // Declares keys of NewNode::named with their dimensions, for this batch and those after it. A key that is not
  // declared is refused, and so is another dimension for one that is.
  std::map<std::string, size_t> dimensions = {};
};

struct CommitResult {
  uint64_t generation = 0;
  std::vector<DocumentId> document_ids;  // Of batch.documents, in their order.
};

// Another vector for every node, from another model. Vectors of other keys stay.
struct VectorReplacement {
  size_t dimension = 0;
  std::function<Result<std::vector<float>>(const Node& node)> vector;  // Asked document by document.
  std::map<std::string, std::string> settings;                         // Put in the same transaction.
};

struct StoreStatistics {
  uint64_t files = 0;  // Without folders.
  uint64_t folders = 0;
  uint64_t nodes = 0;          // Live.
  uint64_t deleted_nodes = 0;  // Not reclaimed yet.
  uint64_t tail_nodes = 0;     // Live nodes that are not in a sealed segment yet.
  uint64_t segments = 0;
  uint64_t size_bytes = 0;  // On disk, or in memory for a store without files.
  // Rows of the segments by the type of their vector index, deleted ones included; empty where there are no indexes.
  std::map<std::string, uint64_t> vector_index_rows;
};

// Something in a store that is not as it was written.
struct Damage {
  std::string file;     // That it lies in.
  std::string message;  // One sentence.
};

// What a filter on nodes can name: FileFields of the node's file, "group", "page" and "position", and what the store
// declares.
std::vector<FieldSpec> NodeFields(std::span<const FieldSpec> declared);

// A node without its text, as a filter sees it. Valid during the visit only.
struct NodeRow {
  NodeId node_id = 0;
  DocumentId document_id = 0;
  std::string_view group;
  uint32_t position = 0;
  std::optional<uint32_t> page;
};

// A consistent state of the store. Later commits do not change it. Keep it only as long as a request takes.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  // +1 with every commit that can change a result.
  virtual uint64_t generation() const = 0;
  virtual const std::vector<FieldSpec>& fields() const = 0;  // Declared for documents.
  virtual Result<StoreStatistics> Statistics() const = 0;
  // The rows of the files table by ascending file_path.
  virtual Result<std::vector<FileRecord>> Files() const = 0;
  virtual Result<std::optional<FileRecord>> FindFile(DocumentId id) const = 0;
  virtual Result<std::optional<FileRecord>> FindFile(std::string_view file_path) const = 0;
  // One element per id, in the order asked; nullopt for an unknown one. A store may find many at once sooner.
  virtual Result<std::vector<std::optional<FileRecord>>> FindFiles(std::span<const DocumentId> ids) const {
    std::vector<std::optional<FileRecord>> files;
    for (const DocumentId id : ids) {
      Result<std::optional<FileRecord>> file = FindFile(id);
      if (!file.ok()) return file.status();
      files.push_back(*std::move(file));
    }
    return files;
  }
  // One element per id, in the order asked; nullopt for an unknown or deleted one.
  virtual Result<std::vector<std::optional<Node>>> GetNodes(std::span<const NodeId> ids) const = 0;
  // All live nodes of a document with their vectors, by (group, position).
  virtual Result<std::vector<NewNode>> NodesOf(DocumentId id) const = 0;
  // How many live nodes match.
  virtual Result<uint64_t> CountNodes(const Context& context, const Filter& filter) const = 0;
  // Calls `visit` for each live node that matches, by ascending id, until it returns false.
  virtual Status VisitNodes(const Context& context, const Filter& filter,
                            const std::function<bool(const NodeRow&)>& visit) const = 0;
  // At most query.limit hits, best first, equal scores by ascending id.
  virtual Result<std::vector<Hit>> SearchVector(const Context& context, const VectorQuery& query) const = 0;
  virtual Result<std::vector<Hit>> SearchKeyword(const Context& context, const KeywordQuery& query) const = 0;

 protected:
  Snapshot() = default;
};

class Store {
 public:
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  virtual const StoreTraits& traits() const = 0;
  virtual Result<std::shared_ptr<const Snapshot>> OpenSnapshot() const = 0;
  // The value of a setting; none if it was never put. "uuid" is always there.
  virtual Result<std::optional<std::string>> Setting(std::string_view key) const = 0;

  // Takes the right to write, waiting at most `timeout_ms` for another process; kFailedPrecondition names the holder.
  // Commit, Seal and Compact need it. EndWrite gives it back; so does destruction.
  virtual Status BeginWrite(int64_t timeout_ms) = 0;
  virtual void EndWrite() = 0;
  virtual Result<CommitResult> Commit(const Context& context, WriteBatch batch) = 0;
  // Moves what was committed into the layout that is fastest to read and reclaims deleted nodes where that pays.
  // Changes no result and no generation.
  // A store may do so by itself, at rest; this does it now.
  virtual Status Seal(const Context& context) = 0;
  // As Seal, for everything that becomes fewer or smaller by it: reclaims every deleted node and all free space.
  virtual Status Compact(const Context& context) = 0;

  // Puts new vectors in the place of all, at once for every reader; ids stay. Reading goes on meanwhile, Commit waits.
  // Needs the right to write. kUnimplemented where the store cannot.
  virtual Status ReplaceVectors(const Context& context, const VectorReplacement& replacement);

  // Reads everything, compares it with its checksums and with itself, and says what is damaged. Needs no right to
  // write. An error means that it could not be looked at.
  virtual Result<std::vector<Damage>> Verify(const Context& context) const = 0;
  // Makes a copy of one committed state under `target`, which must not exist; it appears when it is whole. Needs no
  // right to write. Says what the copy holds. With `link` it shares files with this store where that is safe.
  virtual Result<StoreStatistics> Backup(const Context& context, const std::filesystem::path& target,
                                         bool link) const = 0;

 protected:
  Store() = default;
};

// What a store is opened with. dimension 0: take what is recorded, or learn it from the first vector.
struct StoreConfig {
  std::string type = "ragtime";     // "ragtime" | "map"
  std::string uri;                  // The directory of type "ragtime".
  std::string index_type = "AUTO";  // "AUTO" | "FLAT" | "HNSW" | "IVF_FLAT" | "IVF_SQ8" | "IVF_PQ" | "PQ" | "DISKANN"
  HnswParameters hnsw;
  IvfParameters ivf;
  DiskannParameters diskann;     // Its graph is made as `hnsw` says.
  std::optional<Metric> metric;  // None: what the knowledge base records, kCosine for a new one.
  Bm25Parameters bm25;
  // Of type "ragtime": threads of one vector search, each with some of the segments. 0: half of the cores, at most 8.
  size_t search_threads = 0;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_H_
