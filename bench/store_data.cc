// SPDX-License-Identifier: Apache-2.0
#include "store_data.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <sstream>
#include <utility>

namespace ragtime {
namespace {

constexpr size_t kCommitNodes = 8192;

Status CheckSize(const std::filesystem::path& path, const MappedFile& file, size_t size_bytes) {
  if (file.bytes().size() >= size_bytes) return Status();
  return InvalidArgumentError(path.string() + " holds fewer rows than asked for",
                              "make more with bench/store_generate");
}

}  // namespace

std::string RowWord(size_t row) {
  std::string word = std::to_string(row);
  for (char& c : word) c = "bcdfghjklm"[c - '0'];
  return "q" + word;
}

std::vector<FieldSpec> FieldSpecs() {
  return {{"year", FieldType::kInt, FieldIndex::kBtree},
          {"author", FieldType::kString, FieldIndex::kHash},
          {"draft", FieldType::kBool, FieldIndex::kBitmap},
          {"score", FieldType::kFloat, FieldIndex::kBtree}};
}

Result<StoreData> StoreData::Open(const std::filesystem::path& folder, size_t rows) {
  StoreData data;
  data.rows_ = rows;
  RAGTIME_ASSIGN_OR_RETURN(data.vectors_, MappedFile::Open(folder / "vectors.f32"));
  RAGTIME_ASSIGN_OR_RETURN(data.queries_, MappedFile::Open(folder / "queries.f32"));
  RAGTIME_ASSIGN_OR_RETURN(data.texts_, MappedFile::Open(folder / "texts.bin"));
  RAGTIME_ASSIGN_OR_RETURN(data.offsets_, MappedFile::Open(folder / "texts.idx"));
  RAGTIME_RETURN_IF_ERROR(CheckSize(folder / "vectors.f32", data.vectors_, rows * kDimension * sizeof(float)));
  RAGTIME_RETURN_IF_ERROR(CheckSize(folder / "texts.idx", data.offsets_, (rows + 1) * sizeof(uint64_t)));
  std::ifstream lines(folder / "fields.tsv");
  std::string line;
  while (data.fields_.size() < data.documents() && std::getline(lines, line)) {
    std::istringstream columns(line);
    DocumentFields fields;
    columns >> fields.year >> fields.author >> fields.draft >> fields.score;
    data.fields_.push_back(std::move(fields));
  }
  if (data.fields_.size() < data.documents()) {
    return InvalidArgumentError((folder / "fields.tsv").string() + " holds fewer documents than asked for",
                                "make more with bench/store_generate");
  }
  return data;
}

std::string_view StoreData::text(size_t row) const {
  const auto* offsets = reinterpret_cast<const uint64_t*>(offsets_.bytes().data());
  return texts_.text().substr(offsets[row], offsets[row + 1] - offsets[row]);
}

std::vector<size_t> StoreData::Nearest(size_t query, size_t limit,
                                       const std::function<bool(size_t row)>& matches) const {
  std::vector<std::pair<float, size_t>> best;
  const std::span<const float> q = this->query(query);
  for (size_t row = 0; row < rows_; ++row) {
    if (!matches(row)) continue;
    const std::span<const float> v = vector(row);
    best.emplace_back(-std::inner_product(q.begin(), q.end(), v.begin(), 0.0f), row);
  }
  limit = std::min(limit, best.size());
  std::partial_sort(best.begin(), best.begin() + static_cast<ptrdiff_t>(limit), best.end());
  std::vector<size_t> rows;
  for (size_t i = 0; i < limit; ++i) rows.push_back(best[i].second);
  return rows;
}

DocumentWrite StoreData::Document(size_t first_row, size_t end_row) const {
  DocumentWrite document = NewDocument(first_row);
  const DocumentFields& fields = fields_.at(first_row / kNodesPerDocument);
  document.file.fields = {
      {"year", fields.year}, {"author", fields.author}, {"draft", fields.draft}, {"score", fields.score}};
  for (size_t row = first_row; row < end_row; ++row) {
    AddNode(document, std::string(text(row)), {vector(row).begin(), vector(row).end()});
  }
  return document;
}

DocumentWrite NewDocument(size_t first_row) {
  DocumentWrite document;
  char name[32];
  std::snprintf(name, sizeof(name), "file-%08zu.txt", first_row);
  document.file.file_name = name;
  document.file.file_path = name;
  document.file.file_type = "txt";
  document.file.content_hash = std::string(32, '0');
  document.file.encoding = "UTF-8";
  document.file.status = FileStatus::kReady;
  return document;
}

void AddNode(DocumentWrite& document, std::string text, std::vector<float> vector) {
  const uint64_t start = document.file.file_size;
  document.file.file_size += text.size();
  NewNode node{.node = {.group = "sentence-256",
                        .position = static_cast<uint32_t>(document.nodes.size()),
                        .text = std::move(text)},
               .vector = std::move(vector)};
  node.node.bytes = Span{start, document.file.file_size};
  document.nodes.push_back(std::move(node));
}

Status CommitDocuments(const StoreData& data, size_t first, size_t end, Store& store) {
  WriteBatch batch;
  size_t pending = 0;
  for (size_t document = first; document < end; ++document) {
    const size_t row = document * StoreData::kNodesPerDocument;
    const size_t row_end = std::min(row + StoreData::kNodesPerDocument, data.rows());
    batch.documents.push_back(data.Document(row, row_end));
    pending += row_end - row;
    if (pending < kCommitNodes && document + 1 < end) continue;
    const auto committed = store.Commit(Context{}, std::move(batch));
    if (!committed.ok()) return committed.status();
    batch = {};
    pending = 0;
  }
  return Status();
}

}  // namespace ragtime
