// SPDX-License-Identifier: Apache-2.0
#include "store/embedded/verify.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/str_cat.h"

namespace ragtime {
namespace {

// Merges that may come between reading the manifest and opening what it names.
constexpr int kAttemptsMax = 50;

bool IsDamage(const Status& status) {
  return status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kFailedPrecondition ||
         status.code() == StatusCode::kNotFound;
}

class Verifier {
 public:
  Verifier(const Context& context, const ViewSource& source, Catalog& catalog)
      : context_(context), source_(source), catalog_(catalog), catalog_file_(source.folder.catalog().string()) {}

  Result<std::vector<Damage>> Run() {
    RAGTIME_RETURN_IF_ERROR(ReadState());
    for (const SegmentView& segment : view_.segments) RAGTIME_RETURN_IF_ERROR(CheckSegment(segment));
    CheckNodeIds();
    CheckFiles();
    return std::move(damages_);
  }

 private:
  void Add(std::string file, std::string message) { damages_.push_back({std::move(file), std::move(message)}); }
  void AddToCatalog(std::string message) { Add(catalog_file_, std::move(message)); }

  // One state of the catalog, and every segment that it names open.
  Status ReadState() {
    for (int attempt = 0;; ++attempt) {
      damages_.clear();
      view_ = View();
      all_opened_ = true;
      RAGTIME_ASSIGN_OR_RETURN(const int64_t version, catalog_.DataVersion());
      bool missing = false;
      Status status = ReadStateOnce(missing);
      if (status.ok()) status = ReadFiles();
      if (!status.ok() && !IsDamage(status)) return status;
      RAGTIME_ASSIGN_OR_RETURN(const int64_t version_now, catalog_.DataVersion());
      // A writer has merged a segment away between our reading its name and our opening it.
      if (missing && version_now != version && attempt < kAttemptsMax) continue;
      if (!status.ok()) AddToCatalog(status.message());
      return Status();
    }
  }

  Status ReadStateOnce(bool& missing) {
    RAGTIME_ASSIGN_OR_RETURN(const auto transaction, catalog_.BeginRead());
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<std::string> damage, catalog_.FindDamage());
    for (const std::string& message : damage) AddToCatalog(message);
    RAGTIME_ASSIGN_OR_RETURN(view_.state, catalog_.ReadState());
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> dimension, catalog_.ReadSetting("dimension"));
    if (dimension) {
      size_t number = 0;
      std::from_chars(dimension->data(), dimension->data() + dimension->size(), number);
      view_.dimension = number;
    }
    RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> named, catalog_.ReadSetting(kNamedDimensionsSetting));
    Result<NamedDimensions> dimensions = DecodeDimensions(named.value_or(""));
    if (!dimensions.ok()) AddToCatalog(dimensions.status().message());
    if (dimensions.ok()) view_.named = *std::move(dimensions);
    RAGTIME_ASSIGN_OR_RETURN(const std::vector<SegmentRecord> records, catalog_.ReadSegments());
    for (const SegmentRecord& record : records) {
      RAGTIME_RETURN_IF_ERROR(context_.Check());
      Result<SegmentView> segment = LoadSegment(catalog_, source_, record, nullptr);
      if (segment.ok()) {
        const Status mapped = MapSegment(source_, view_.dimension, *segment);
        if (!mapped.ok()) segment = mapped;
      }
      if (segment.ok()) {
        view_.segments.push_back(*std::move(segment));
        continue;
      }
      if (!IsDamage(segment.status())) return segment.status();
      missing = missing || segment.status().code() == StatusCode::kNotFound;
      Add(record.in_tail ? catalog_file_ : source_.folder.segment(record.id).string(), segment.status().message());
      all_opened_ = false;
    }
    return Status();
  }

  // As of the same commit, out of the history where there have been others since.
  Status ReadFiles() {
    RAGTIME_ASSIGN_OR_RETURN(files_, catalog_.ReadFiles(view_.state.commit_number));
    for (const FileRecord& file : files_) row_of_[file.id] = &file;
    return Status();
  }

  Status CheckSegment(const SegmentView& view) {
    const std::string file = view.record.in_tail ? catalog_file_ : source_.folder.segment(view.record.id).string();
    RAGTIME_RETURN_IF_ERROR(context_.Check());
    const Status verified = view.segment->Verify();
    Status status = verified;
    if (status.ok()) status = CheckRows(view, file);
    if (status.ok() || !IsDamage(status)) return status;
    Add(file, status.message());
    // What is counted below would only say the same once more.
    all_opened_ = false;
    return Status();
  }

  // Every row can be read, and the catalog's numbers are theirs.
  Status CheckRows(const SegmentView& view, const std::string& file) {
    const Segment& segment = *view.segment;
    const SegmentRecord& record = view.record;
    const std::string name = StrCat("segment ", record.id);
    RAGTIME_ASSIGN_OR_RETURN(const KeywordIndex* keywords, segment.keyword_index());
    RAGTIME_RETURN_IF_ERROR(segment.vector_index().status());
    for (const NamedColumn& column : segment.named()) {
      RAGTIME_RETURN_IF_ERROR(segment.named_index(column).status());
      const auto declared = view_.named.find(column.key);
      if (declared == view_.named.end() || declared->second != column.dimension) {
        AddToCatalog(StrCat(name, " has vectors ", column.key, " of dimension ", column.dimension,
                            ", which the catalog does not declare"));
      }
      for (uint32_t place = 0; place < column.count; ++place) {
        const bool ascends = place == 0 || column.row(place - 1) < column.row(place);
        if (ascends && column.row(place) < segment.rows()) continue;
        Add(file, StrCat("the rows with vectors ", column.key, " do not ascend at ", place));
        break;
      }
    }
    RAGTIME_ASSIGN_OR_RETURN(const FieldColumns* columns, segment.fields());
    TextBlockCache cache;
    uint64_t tokens = 0;
    uint64_t deleted_tokens = 0;
    for (uint32_t row = 0; row < segment.rows(); ++row) {
      if (row % 1024 == 0) RAGTIME_RETURN_IF_ERROR(context_.Check());
      RAGTIME_ASSIGN_OR_RETURN(const Node node, segment.ReadNode(row, cache));
      RAGTIME_ASSIGN_OR_RETURN(const uint32_t length, keywords->Length(row));
      const bool deleted = view.excluded().Contains(row);
      tokens += length;
      deleted_tokens += deleted ? length : 0;
      if (row > 0 && node.id <= segment.node_id(row - 1)) Add(file, StrCat("the node ids do not ascend at row ", row));
      RAGTIME_ASSIGN_OR_RETURN(const DocumentRows rows, segment.FindDocument(node.document_id));
      if (row < rows.first_row || row - rows.first_row >= rows.row_count) {
        Add(file, StrCat("row ", row, " is missing in the list of document ", node.document_id));
      }
      if (deleted) continue;
      if (columns != nullptr && row == rows.first_row)
        RAGTIME_RETURN_IF_ERROR(CheckFields(segment, *columns, file, row));
      live_.push_back(node.id);
      ++nodes_of_[node.document_id];
    }
    const auto expect = [&](std::string_view what, uint64_t counted, uint64_t recorded) {
      if (counted != recorded) {
        AddToCatalog(StrCat(name, " has ", counted, " ", what, ", and the catalog says ", recorded));
      }
    };
    expect("words", tokens, record.tokens);
    expect("words of deleted rows", deleted_tokens, record.deleted_tokens);
    expect("bytes", segment.size_bytes(), record.size_bytes);
    if (segment.node_id(0) != record.first_node || segment.node_id(segment.rows() - 1) != record.last_node) {
      AddToCatalog(StrCat(name, " has other node ids than the catalog says"));
    }
    if (segment.dimension() != view_.dimension.value_or(0)) {
      Add(file, StrCat("its vectors have dimension ", segment.dimension(), ", and the catalog says ",
                       view_.dimension.value_or(0)));
    }
    if (record.id >= view_.state.next_segment_id) AddToCatalog(StrCat(name, " has an id that was not given out yet"));
    return Status();
  }

  // A column holds what the document's row says, for the fields that are still of the type that they had then.
  Status CheckFields(const Segment& segment, const FieldColumns& columns, const std::string& file, uint32_t row) {
    const DocumentId document = segment.document_id(row);
    const auto found = row_of_.find(document);
    if (found == row_of_.end()) return Status();  // Told when the nodes of documents are counted.
    const uint32_t item = segment.FindDocumentIndex(document);
    for (const auto& [name, value] : found->second->fields) {
      RAGTIME_ASSIGN_OR_RETURN(const FieldValue held, columns.Value(name, item));
      const bool other_type =
          std::none_of(columns.fields().begin(), columns.fields().end(),
                       [&](const FieldSpec& spec) { return spec.name == name && HasType(value, spec.type); });
      if (!other_type && held != value) {
        Add(file, StrCat("the field ", name, " of ", found->second->file_path, " is ", ToString(held),
                         ", and its row says ", ToString(value)));
      }
    }
    return Status();
  }

  void CheckNodeIds() {
    std::sort(live_.begin(), live_.end());
    const auto twice = std::adjacent_find(live_.begin(), live_.end());
    if (twice != live_.end()) AddToCatalog(StrCat("node ", *twice, " is live in two places"));
    if (!live_.empty() && live_.back() >= view_.state.next_node_id) {
      AddToCatalog(StrCat("node ", live_.back(), " has an id that was not given out yet"));
    }
  }

  void CheckFiles() {
    uint64_t files = 0;
    uint64_t folders = 0;
    for (const FileRecord& file : files_) {
      ++(file.is_dir ? folders : files);
      CheckFile(file);
    }
    if (files != view_.state.files || folders != view_.state.folders) {
      AddToCatalog(StrCat("there are ", files, " files and ", folders, " folders, and the counters say ",
                          view_.state.files, " and ", view_.state.folders));
    }
    if (!all_opened_) return;
    for (const auto& [document, nodes] : nodes_of_) {
      const auto row = row_of_.find(document);
      const uint64_t recorded = row == row_of_.end() ? 0 : row->second->nodes;
      const std::string name = row == row_of_.end() ? StrCat("document ", document) : row->second->file_path;
      if (nodes != recorded) AddToCatalog(StrCat(name, " has ", nodes, " live nodes, and its row says ", recorded));
    }
  }

  void CheckFile(const FileRecord& file) {
    if (file.id >= view_.state.next_document_id) {
      AddToCatalog(StrCat(file.file_path, " has an id that was not given out yet: ", file.id));
    }
    if (all_opened_ && file.nodes > 0 && !nodes_of_.contains(file.id)) {
      AddToCatalog(StrCat(file.file_path, " has no live node, and its row says ", file.nodes));
    }
    const size_t slash = file.file_path.rfind('/');
    const auto parent = file.parent_id ? row_of_.find(*file.parent_id) : row_of_.end();
    const bool at_top = slash == std::string::npos;
    const bool fits = at_top ? !file.parent_id
                             : parent != row_of_.end() && parent->second->is_dir &&
                                   parent->second->file_path == std::string_view(file.file_path).substr(0, slash);
    if (!fits) AddToCatalog(StrCat("the row of ", file.file_path, " does not name its folder"));
  }

  const Context& context_;
  const ViewSource& source_;
  Catalog& catalog_;
  const std::string catalog_file_;
  View view_;
  std::vector<FileRecord> files_;
  std::unordered_map<DocumentId, const FileRecord*> row_of_;  // Into files_.
  bool all_opened_ = true;
  std::vector<NodeId> live_;
  std::unordered_map<DocumentId, uint64_t> nodes_of_;
  std::vector<Damage> damages_;
};

}  // namespace

Result<std::vector<Damage>> VerifyFolder(const Context& context, const ViewSource& source) {
  // A connection of its own: checking a large catalog takes seconds, and snapshots read meanwhile.
  auto catalog = Catalog::Open(source.folder.catalog(), Access::kRead);
  if (!catalog.ok()) return catalog.status();
  return Verifier(context, source, **catalog).Run();
}

}  // namespace ragtime
