// SPDX-License-Identifier: Apache-2.0
#include "ingest/import/import.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/hash.h"
#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "base/write_right.h"
#include "ingest/import/document_fields.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

constexpr char kImportOf[] = "import.of";
constexpr char kGroup[] = "imported";
constexpr size_t kReadNodes = 1000;
constexpr size_t kCommitNodes = 4096;
constexpr size_t kEmbeddedAtOnce = 64;
constexpr size_t kNodeTextBytesMax = 64 << 10;
// Where other programs write which file a piece is of.
constexpr std::array<std::string_view, 9> kSourceKeys = {"file_path", "source",   "lazyllm_doc_path", "path",  "url",
                                                         "file_name", "filename", "document_id",      "doc_id"};
constexpr std::array<std::string_view, 3> kTextKeys = {"text", "page_content", "content"};
constexpr std::array<std::string_view, 3> kPageKeys = {"page", "page_number", "page_label"};

double Cosine(std::span<const float> a, std::span<const float> b) {
  double product = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return aa > 0 && bb > 0 ? product / std::sqrt(aa * bb) : 0;
}

// A path as the files table takes it, out of anything.
std::string CleanPath(const std::string& path) {
  std::string clean;
  const auto add = [&clean](std::string_view part) {
    if (part.empty() || part == "." || part == "..") return;
    clean += clean.empty() ? "" : "/";
    for (size_t i = 0; i < part.size(); ++i) {
      if (part[i] == '\0') {
        clean += "%00";
      } else {
        clean += part[i];
      }
    }
  };
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    add(std::string_view(path).substr(start, end - start));
    start = end + 1;
  }
  return clean;
}

class Importing {
 public:
  Importing(const ImportRequest& request, ImportSource& source, Store& store, Embedder& embedder,
            const ImportOptions& options)
      : request_(request), source_(source), store_(store), embedder_(embedder), options_(options) {}

  Result<ImportReport> Run() {
    const Stopwatch total;
    RAGTIME_RETURN_IF_ERROR(CheckTarget());
    Stopwatch stage;
    RAGTIME_RETURN_IF_ERROR(ReadAll());
    report_.timings_ms["read"] = stage.ElapsedMs();
    stage = Stopwatch();
    RAGTIME_RETURN_IF_ERROR(source_.keeps_vectors() ? CheckModel() : NoteMissingVectors());
    report_.timings_ms["check"] = stage.ElapsedMs();
    stage = Stopwatch();
    RAGTIME_RETURN_IF_ERROR(Annotated(CommitAll()));
    report_.timings_ms["commit"] = stage.ElapsedMs();
    Report("seal");
    RAGTIME_RETURN_IF_ERROR(Annotated(store_.Seal(options_.context)));
    report_.timings_ms["total"] = total.ElapsedMs();
    Report("done");
    return std::move(report_);
  }

 private:
  struct ByDocument {
    std::vector<size_t> nodes;  // In nodes_.
  };

  Status CheckTarget() {
    RAGTIME_ASSIGN_OR_RETURN(const auto snapshot, store_.OpenSnapshot());
    RAGTIME_ASSIGN_OR_RETURN(std::vector<FileRecord> files, snapshot->Files());
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> before, store_.Setting(kImportOf));
    if (!files.empty() && before != request_.from) {
      return AlreadyExistsError(StrCat("the knowledge base holds other documents already: ", files.front().file_path),
                                "import into a new one with --kb");
    }
    for (FileRecord& file : files) there_.emplace(file.file_path, std::move(file));
    declared_ = snapshot->fields();
    return Status();
  }

  const std::string* Mapped(const std::string& name) const {
    const auto found = request_.map.find(name);
    return found == request_.map.end() ? nullptr : &found->second;
  }

  template <size_t n>
  std::string FromMetadata(const Json& metadata, const char* name, const std::array<std::string_view, n>& keys) const {
    const auto text_of = [&metadata](std::string_view key) {
      const Json& value = metadata[key];
      return value.is_number() ? value.Dump() : value.AsString();
    };
    if (const std::string* key = Mapped(name)) return text_of(*key);
    for (const std::string_view key : keys) {
      if (std::string text = text_of(key); !text.empty()) return text;
    }
    return {};
  }

  Status ReadAll() {
    for (;;) {
      RAGTIME_ASSIGN_OR_RETURN(std::vector<ImportedNode> batch, source_.Next(options_.context, kReadNodes));
      if (batch.empty()) break;
      for (ImportedNode& node : batch) RAGTIME_RETURN_IF_ERROR(AddNode(std::move(node)));
      progress_.nodes_done = nodes_.size();
      Report("read");
    }
    if (nodes_.empty()) {
      return NotFoundError(
          StrCat(request_.from, " holds no text with a vector"),
          report_.nodes_skipped == 0 ? "check the address" : "name the key that holds the text with --map text=KEY");
    }
    if (report_.nodes_skipped > 0) {
      report_.warnings.push_back(
          {"skipped", {}, StrCat("pieces without a text or without a vector were left out: ", report_.nodes_skipped)});
    }
    return NameDocuments();
  }

  Status AddNode(ImportedNode node) {
    if (node.text.empty() || Mapped("text") != nullptr) {
      const std::string mapped = FromMetadata(node.metadata, "text", kTextKeys);
      if (mapped != node.text) node.embedded_texts.clear();
      node.text = mapped;
    }
    if (node.text.empty() || (node.vector.empty() && source_.keeps_vectors())) {
      ++report_.nodes_skipped;
      return Status();
    }
    const auto refuse = [&node](std::string_view why, std::string remedy) {
      return InvalidArgumentError(StrCat("the piece ", node.id, " ", why), std::move(remedy));
    };
    if (node.text.size() > kNodeTextBytesMax) {
      return refuse(StrCat("has a text of ", node.text.size(), " bytes, limit ", kNodeTextBytesMax),
                    "ingest its document instead, which splits it");
    }
    if (FindInvalidUtf8(node.text) != std::string::npos) return refuse("has a text that is not UTF-8", "convert it");
    if (!std::all_of(node.vector.begin(), node.vector.end(), [](float value) { return std::isfinite(value); })) {
      return refuse("has a vector with NaN or infinity", "embed it again where it comes from");
    }
    if (source_.keeps_vectors() && node.vector.size() != embedder_.info().dimension) {
      return FailedPreconditionError(
          StrCat("the vectors of ", request_.from, " have the dimension ", node.vector.size(), ", and those of ",
                 embedder_.info().model, " have ", embedder_.info().dimension),
          "declare the model that made them with --model");
    }
    std::string document = FromMetadata(node.metadata, "source", kSourceKeys);
    if (document.empty()) document = node.document;
    if (document.empty()) document = node.id;
    documents_[document].nodes.push_back(nodes_.size());
    nodes_.push_back(std::move(node));
    return Status();
  }

  // Absolute paths become relative to the folder that all of them share, as those of an ingestion do.
  Status NameDocuments() {
    std::filesystem::path root;
    bool absolute = true;
    for (const auto& [document, pieces] : documents_) {
      const std::filesystem::path folder = std::filesystem::path(document).lexically_normal().parent_path();
      absolute = absolute && folder.is_absolute();
      if (!absolute) break;
      if (root.empty()) {
        root = folder;
        continue;
      }
      std::filesystem::path shared;
      for (auto a = root.begin(), b = folder.begin(); a != root.end() && b != folder.end() && *a == *b; ++a, ++b) {
        shared /= *a;
      }
      root = shared;
    }
    if (absolute) root_ = root.string();
    std::map<std::string, ByDocument> named;
    for (auto& [document, pieces] : documents_) {
      std::string path = document;
      if (absolute) path = std::filesystem::path(document).lexically_normal().lexically_relative(root_).string();
      path = CleanPath(path);
      if (path.empty() || FindInvalidUtf8(path) != std::string::npos) path = StrCat("document-", HashHex(document));
      std::vector<size_t>& nodes = named[path].nodes;
      nodes.insert(nodes.end(), pieces.nodes.begin(), pieces.nodes.end());
    }
    documents_ = std::move(named);
    for (auto& [path, pieces] : documents_) {
      std::stable_sort(pieces.nodes.begin(), pieces.nodes.end(), [this](size_t a, size_t b) {
        return nodes_[a].order.value_or(0) < nodes_[b].order.value_or(0);
      });
    }
    return InferFields();
  }

  Status InferFields() {
    std::map<std::string, std::string> renamed = request_.map;
    for (const char* own : {"text", "source", "page", "vector", "id", "group"}) renamed.erase(own);
    fields_.emplace(request_.fields, std::move(renamed));
    for (const auto& [path, pieces] : documents_) {
      for (const size_t node : pieces.nodes) fields_->Learn(path, nodes_[node].metadata);
    }
    fields_->Decide();
    report_.fields = fields_->specs();
    for (const std::string& warning : fields_->warnings()) report_.warnings.push_back({"field", {}, warning});
    return Status();
  }

  // Some texts are embedded again, spread over all, those first that the model takes whole: others were cut by whoever
  // embedded them, in his own way.
  Status CheckModel() {
    std::vector<size_t> chosen;
    const size_t wanted = std::min(request_.checked_nodes, nodes_.size());
    for (const bool whole : {true, false}) {
      for (size_t i = 0; i < nodes_.size() && chosen.size() < wanted; ++i) {
        const size_t at = i * 7919 % nodes_.size();  // A prime: every node once, unless it divides their number.
        const bool fits = embedder_.CountTokens(EmbeddedTexts(at).front()) + 8 < embedder_.info().max_tokens;
        if (fits == whole && std::find(chosen.begin(), chosen.end(), at) == chosen.end()) chosen.push_back(at);
        if (i > 50 * wanted) break;
      }
    }
    std::vector<std::string> texts;
    for (const size_t node : chosen) {
      const std::span<const std::string> of_node = EmbeddedTexts(node);
      texts.insert(texts.end(), of_node.begin(), of_node.end());
    }
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vectors,
                             embedder_.Embed(options_.context.InBackground(), texts, TextKind::kPassage));
    const size_t dimension = embedder_.info().dimension;
    std::vector<std::pair<double, size_t>> cosines;
    size_t text = 0;
    for (const size_t node : chosen) {
      double best = -1;
      for (size_t left = EmbeddedTexts(node).size(); left > 0; --left, ++text) {
        best = std::max(
            best, Cosine(nodes_[node].vector, std::span<const float>(vectors).subspan(text * dimension, dimension)));
      }
      cosines.emplace_back(best, node);
    }
    std::sort(cosines.begin(), cosines.end());
    report_.nodes_checked = cosines.size();
    report_.cosine_min = cosines.front().first;
    report_.cosine_median = cosines[cosines.size() / 2].first;
    if (report_.cosine_min >= static_cast<double>(request_.cosine_min)) return Status();
    return FailedPreconditionError(
        StrCat("the model ", embedder_.info().model, " did not make the vectors of ", request_.from, ": of ",
               cosines.size(), " texts that were embedded again, the least cosine is ", report_.cosine_min, " (piece ",
               nodes_[cosines.front().second].id, ") and the median ", report_.cosine_median, ", not ",
               request_.cosine_min),
        "declare the model that made them with --model, with the same prefixes and pooling, or ingest the documents");
  }

  Status NoteMissingVectors() {
    report_.warnings.push_back({"embedded",
                                {},
                                StrCat(request_.from, " keeps no vectors: its ", nodes_.size(),
                                       " texts are embedded with ", embedder_.info().model)});
    return Status();
  }

  // Of a document whose pieces came without vectors.
  Status EmbedNodes(DocumentWrite& write) {
    const size_t dimension = embedder_.info().dimension;
    for (size_t begin = 0; begin < write.nodes.size(); begin += kEmbeddedAtOnce) {
      const size_t end = std::min(begin + kEmbeddedAtOnce, write.nodes.size());
      std::vector<std::string> texts;
      for (size_t i = begin; i < end; ++i) texts.push_back(write.nodes[i].node.text);
      RAGTIME_ASSIGN_OR_RETURN(const std::vector<float> vectors,
                               embedder_.Embed(options_.context.InBackground(), texts, TextKind::kPassage));
      for (size_t i = begin; i < end; ++i) {
        const float* first = vectors.data() + (i - begin) * dimension;
        write.nodes[i].vector.assign(first, first + dimension);
      }
    }
    return Status();
  }

  std::span<const std::string> EmbeddedTexts(size_t node) const {
    const ImportedNode& imported = nodes_[node];
    if (imported.embedded_texts.empty()) return {&imported.text, 1};
    return imported.embedded_texts;
  }

  Result<DocumentWrite> Document(const std::string& path, const ByDocument& pieces) {
    DocumentWrite write;
    FileRecord& file = write.file;
    file.file_path = path;
    std::string extension = std::filesystem::path(path).extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    file.file_type = extension.empty() || extension.size() > 10 ? "txt" : extension.substr(1);
    file.encoding = "UTF-8";
    file.create_time_ms = UnixTimeMs();
    file.status = FileStatus::kReady;
    std::string texts;
    for (const size_t i : pieces.nodes) {
      ImportedNode& imported = nodes_[i];
      NewNode node;
      node.node.group = kGroup;
      node.node.position = static_cast<uint32_t>(write.nodes.size());
      node.node.text = imported.text;
      const std::string page = FromMetadata(imported.metadata, "page", kPageKeys);
      if (const uint64_t number = std::strtoull(page.c_str(), nullptr, 10); number > 0 && number < UINT32_MAX) {
        node.node.page = static_cast<uint32_t>(number);
      }
      node.vector = std::move(imported.vector);
      texts += StrCat(imported.text.size(), " ", imported.text);
      write.nodes.push_back(std::move(node));
    }
    file.file_size = texts.size();
    file.content_hash = HashHex(texts);
    file.nodes = write.nodes.size();
    RAGTIME_ASSIGN_OR_RETURN(file.fields, fields_->Of(path));
    return write;
  }

  Status CommitAll() {
    progress_ = {.files_total = documents_.size()};
    WriteBatch batch;
    batch.settings = request_.settings;
    batch.settings["root"] = root_;
    batch.settings[kImportOf] = request_.from;
    if (fields_->specs() != declared_) batch.fields = fields_->specs();
    size_t nodes = 0;
    for (const auto& [path, pieces] : documents_) {
      RAGTIME_RETURN_IF_ERROR(options_.context.Check());
      RAGTIME_ASSIGN_OR_RETURN(DocumentWrite write, Document(path, pieces));
      const auto there = there_.find(path);
      if (there != there_.end() && there->second.content_hash == write.file.content_hash &&
          there->second.fields == write.file.fields && !batch.fields) {
        ++report_.files_reused;
        ++progress_.files_done;
        continue;
      }
      if (write.nodes.size() > store_.traits().commit_nodes_max) {
        return InvalidArgumentError(StrCat(path, " has more pieces than one commit takes: ", write.nodes.size()),
                                    "name a finer key with --map source=KEY");
      }
      if (!source_.keeps_vectors()) RAGTIME_RETURN_IF_ERROR(EmbedNodes(write));
      if (nodes + write.nodes.size() > kCommitNodes) RAGTIME_RETURN_IF_ERROR(Commit(batch, nodes));
      nodes += write.nodes.size();
      batch.documents.push_back(std::move(write));
    }
    return Commit(batch, nodes);
  }

  Status Commit(WriteBatch& batch, size_t& nodes) {
    const size_t files = batch.documents.size();
    RAGTIME_RETURN_IF_ERROR(store_.Commit(options_.context, std::exchange(batch, {})).status());
    report_.files_imported += files;
    report_.nodes_imported += nodes;
    progress_.files_done += files;
    progress_.nodes_done += std::exchange(nodes, 0);
    Report("commit");
    return Status();
  }

  Status Annotated(const Status& status) const {
    if (status.ok()) return status;
    return Status(status.code(),
                  StrCat(status.message(), "; stored and safe are ", report_.files_imported + report_.files_reused,
                         " of ", documents_.size(), " documents"),
                  status.remedy().empty() ? "run the same command again to go on from there" : status.remedy());
  }

  void Report(const char* stage) {
    progress_.stage = stage;
    if (options_.on_progress) options_.on_progress(progress_);
  }

  const ImportRequest& request_;
  ImportSource& source_;
  Store& store_;
  Embedder& embedder_;
  const ImportOptions& options_;

  std::map<std::string, FileRecord> there_;  // What the store holds, by path.
  std::vector<FieldSpec> declared_;          // By the store.
  std::vector<ImportedNode> nodes_;
  std::map<std::string, ByDocument> documents_;  // By what the collection calls it, then by path.
  std::string root_;
  std::optional<DocumentFields> fields_;
  IngestProgress progress_;
  ImportReport report_;
};

}  // namespace

Result<ImportReport> ImportNodes(const ImportRequest& request, ImportSource& source, Store& store, Embedder& embedder,
                                 const ImportOptions& options) {
  RAGTIME_RETURN_IF_ERROR(store.BeginWrite(request.lock_timeout_ms));
  const WriteRight right(store);
  return Importing(request, source, store, embedder, options).Run();
}

}  // namespace ragtime
