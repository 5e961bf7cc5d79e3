// SPDX-License-Identifier: Apache-2.0
#include "testing/store_testing.h"

#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace ragtime {

uint64_t SeedFromEnvironment() {
  if (const char* seed = std::getenv("RAGTIME_SEED")) return std::strtoull(seed, nullptr, 10);
  return std::random_device{}();
}

TemporaryFolder::TemporaryFolder() {
  // In memory where that can be: hundreds of commits would wait for a disk that no test is about.
  const std::filesystem::path memory = "/dev/shm";
  const bool in_memory = ::access(memory.c_str(), W_OK) == 0;
  std::string name = ((in_memory ? memory : std::filesystem::temp_directory_path()) / "ragtime_test_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder can be made");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<float> RandomVector(Random& random, size_t dimension) {
  std::vector<float> vector(dimension);
  double square = 0;
  for (float& value : vector) {
    value = random.Gaussian();
    square += static_cast<double>(value) * value;
  }
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(square));
  return vector;
}

std::string RandomText(Random& random, size_t words) {
  static constexpr std::array<std::string_view, 24> kWords = {
      "backup", "restore", "index", "table", "vacuum", "transaction", "replica", "checkpoint",
      "query",  "cache",   "lock",  "page",  "数据库", "备份",        "恢复。",  "索引",
      "事务",   "查询",    "缓存",  "v15.4", "naïve",  "Straße",      "pg_dump", "🙂"};
  std::string text;
  for (size_t i = 0; i < words; ++i) {
    if (i > 0) text += random.OneIn(10) ? "\n" : " ";
    // The first ones are frequent, the last ones rare.
    text += kWords[std::min(random.Below(kWords.size()), random.Below(kWords.size()))];
  }
  return text;
}

NewNode RandomNode(Random& random, std::string group, uint32_t position, size_t dimension) {
  NewNode node;
  node.node.group = std::move(group);
  node.node.position = position;
  node.node.text = RandomText(random, random.Below(40));
  for (uint64_t i = random.Below(4); i > 0; --i) node.node.heading.push_back(RandomText(random, random.Below(4)));
  const uint64_t start = random.Below(1u << 30);
  if (!random.OneIn(4)) node.node.bytes = Span{start, start + random.Below(1000)};
  if (random.OneIn(3)) node.node.extracted = Span{start / 2, start};
  if (random.OneIn(3)) node.node.page = static_cast<uint32_t>(random.Below(500)) + 1;
  node.vector = RandomVector(random, dimension);
  return node;
}

std::vector<FieldSpec> TestFields() {
  return {{"year", FieldType::kInt, FieldIndex::kBtree},         {"score", FieldType::kFloat, FieldIndex::kNone},
          {"draft", FieldType::kBool, FieldIndex::kBitmap},      {"author", FieldType::kString, FieldIndex::kHash},
          {"date", FieldType::kDatetime, FieldIndex::kSkiplist}, {"标签", FieldType::kStringList, FieldIndex::kBitmap}};
}

Fields RandomFields(Random& random) {
  static const std::vector<std::string> kNames = {"Li", "Wang", "O'Neil", "张三", "", "li"};
  Fields fields;
  if (!random.OneIn(4)) fields["year"] = int64_t{2015} + static_cast<int64_t>(random.Below(10));
  if (!random.OneIn(4)) fields["score"] = static_cast<double>(random.Below(9)) / 4 - 1;
  if (!random.OneIn(4)) fields["draft"] = random.OneIn(2);
  if (!random.OneIn(4)) fields["author"] = kNames[random.Below(kNames.size())];
  if (!random.OneIn(4))
    fields["date"] = Datetime{1'700'000'000'000 + static_cast<int64_t>(random.Below(5)) * 86'400'000};
  if (!random.OneIn(4)) {
    std::vector<std::string> tags;
    for (uint64_t i = random.Below(3); i > 0; --i) tags.push_back(kNames[random.Below(kNames.size())]);
    fields["标签"] = tags;
  }
  return fields;
}

std::string RandomFilter(Random& random, int depth) {
  static const std::vector<std::string> kLeaves = {"year = 2018",
                                                   "year != 2018",
                                                   "year between 2016 and 2019",
                                                   "year in (2015, 2024, 1)",
                                                   "score < 0.25",
                                                   "score >= -1",
                                                   "draft",
                                                   "not draft",
                                                   "draft is null",
                                                   "author = \"张三\"",
                                                   "author in ('Li', 'Wang')",
                                                   "author like '%i'",
                                                   "author contains 'ang'",
                                                   "date > '2023-11-16'",
                                                   "date is not null",
                                                   "标签 contains 'Li'",
                                                   "标签 in ('Wang', '')",
                                                   "标签 is null",
                                                   "group = 'paragraph'",
                                                   "position >= 3",
                                                   "page = 2",
                                                   "page is null",
                                                   "file_type = 'md'",
                                                   "file_path like 'd1/%'",
                                                   "file_path in ('d0/e0/f1.md', 'd1/e1/f2.md')",
                                                   "file_name = 'f3.md'",
                                                   "file_size > 500000",
                                                   "nodes < 5",
                                                   "status = 'ready'"};
  const uint64_t kind = depth == 0 ? 0 : random.Below(4);
  if (kind == 1) return "(" + RandomFilter(random, depth - 1) + " and " + RandomFilter(random, depth - 1) + ")";
  if (kind == 2) return "(" + RandomFilter(random, depth - 1) + " or " + RandomFilter(random, depth - 1) + ")";
  if (kind == 3) return "not (" + RandomFilter(random, depth - 1) + ")";
  return kLeaves[random.Below(kLeaves.size())];
}

void AddRandomNamed(Random& random, const std::map<std::string, size_t>& dimensions, std::vector<NewNode>& nodes) {
  for (NewNode& node : nodes) {
    for (const auto& [key, dimension] : dimensions) {
      if (random.OneIn(key == dimensions.rbegin()->first ? 8 : 2)) node.named[key] = RandomVector(random, dimension);
    }
  }
}

DocumentWrite RandomDocument(Random& random, std::string path, size_t nodes, size_t dimension) {
  DocumentWrite document;
  document.file.file_path = std::move(path);
  document.file.file_type = random.OneIn(2) ? "md" : "txt";
  document.file.file_size = random.Below(1u << 20);
  document.file.create_time_ms = 1'700'000'000'000 + static_cast<int64_t>(random.Below(1'000'000));
  document.file.modified_time_ns = static_cast<int64_t>(random.Below(1u << 30));
  document.file.content_hash = std::to_string(random.Below(1u << 30));
  document.file.encoding = "UTF-8";
  document.file.status = FileStatus::kReady;
  const size_t paragraphs = random.OneIn(3) ? nodes / 2 : 0;
  for (size_t i = 0; i < nodes; ++i) {
    const bool paragraph = i < paragraphs;
    document.nodes.push_back(RandomNode(random, paragraph ? "paragraph" : "sentence-256",
                                        static_cast<uint32_t>(paragraph ? i : i - paragraphs), dimension));
  }
  return document;
}

DocumentWrite OneNodeDocument(std::string path, std::string text, std::vector<float> vector) {
  DocumentWrite document;
  document.file.file_path = std::move(path);
  document.file.file_type = "txt";
  document.file.status = FileStatus::kReady;
  NewNode node;
  node.node.group = "sentence-256";
  node.node.text = std::move(text);
  node.vector = std::move(vector);
  document.nodes.push_back(std::move(node));
  return document;
}

Status Soundness(const Store& store) {
  RAGTIME_ASSIGN_OR_RETURN(const std::vector<Damage> damages, store.Verify({}));
  if (damages.empty()) return Status();
  return DataLossError(damages.front().file + ": " + damages.front().message);
}

}  // namespace ragtime
