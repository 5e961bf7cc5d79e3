// SPDX-License-Identifier: Apache-2.0
#include "milvus_lite_targets.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <string_view>

#include "base/str_cat.h"
#include "catalog/connection.h"
#include "require.h"
#include "store/milvus/milvus_lite_file.h"

namespace ragtime {
namespace {

// A file with one collection of one row, made once and written again for each input.
class LiteFile {
 public:
  LiteFile() : path_(std::filesystem::temp_directory_path() / StrCat("milvus_lite_fuzz_", ::getpid())) {
    std::filesystem::remove(path_);
    connection_ = *Connection::Create(path_);
    Run("PRAGMA synchronous = OFF");
    Run("CREATE TABLE collection_meta(collection_name TEXT, meta_type TEXT, blob_field BLOB)");
    Run("CREATE TABLE c(id INTEGER PRIMARY KEY, data BLOB)");
    Run("INSERT INTO collection_meta VALUES('c', 'schema', NULL)");
    Run("INSERT INTO c VALUES(1, NULL)");
  }
  ~LiteFile() { std::filesystem::remove(path_); }

  void Write(std::span<const std::byte> described, std::span<const std::byte> row) {
    Require(connection_->Prepare("UPDATE collection_meta SET blob_field = ?").Bind(described).Run().ok());
    Require(connection_->Prepare("UPDATE c SET data = ?").Bind(row).Run().ok());
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  void Run(const char* sql) { Require(connection_->Prepare(sql).Run().ok()); }

  const std::filesystem::path path_;
  std::unique_ptr<Connection> connection_;
};

// A CollectionSchema (an Int64 key, a FloatVector, a VarChar, an Array, dynamic fields) and a row of it with a $meta.
constexpr std::string_view kSchema =
    "220a08651202696418012805220708661201762865220708671201742815220a08681204746167732816"
    "2801";
constexpr std::string_view kRow =
    "0a0d0805120269641a051a030a01070a150865120176220e0802120a0a080000003f0000c03f0a0f08151201741a0832060a04746578740a13"
    "08161204746167731a0942070a0532030a01610a251205246d6574611a1a4a180a167b2270616765223a312c2274223a226f74686572227d30"
    "01";

void AppendHex(std::vector<std::byte>& bytes, std::string_view hex) {
  for (size_t i = 0; i < hex.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
    bytes.push_back(static_cast<std::byte>(value));
  }
}

}  // namespace

bool UseAsMilvusLite(std::span<const std::byte> bytes) {
  if (bytes.empty()) return false;
  static LiteFile file;
  const auto rest = bytes.subspan(1);
  const size_t split = std::min(rest.size(), std::to_integer<size_t>(bytes[0]));
  file.Write(rest.first(split), rest.subspan(split));
  const auto reader = MilvusLiteFile::Open(file.path(), {.name = "c", .vector = ""});
  if (!reader.ok()) return false;
  const auto rows = (*reader)->Next({}, 5);
  if (!rows.ok()) {
    Require(rows.status().code() == StatusCode::kDataLoss);
    return false;
  }
  Require(rows->size() == 1 && (*rows)[0].columns.is_object());
  (void)(*rows)[0].columns.Dump();
  return true;
}

std::vector<std::byte> MilvusLiteSeed() {
  std::vector<std::byte> bytes = {static_cast<std::byte>(kSchema.size() / 2)};
  AppendHex(bytes, kSchema);
  AppendHex(bytes, kRow);
  return bytes;
}

}  // namespace ragtime
