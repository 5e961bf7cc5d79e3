// SPDX-License-Identifier: Apache-2.0
#include "store/batch_check.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <tuple>

#include "base/str_cat.h"
#include "filter/value_check.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

// A model's vectors are off by rounding only. Those within this are kept bit for bit, so that what is read back is what
// was put in, and their scores are off by no more than this.
constexpr double kUnitTolerance = 1e-4;

// Squares of longer ones would overflow in the indexes.
constexpr double kLengthMax = 1e15;

enum class VectorFault { kNone, kNotFinite, kZero, kTooLong };

VectorFault ScaleToMetric(std::span<float> vector, Metric metric) {
  double square = 0;
  for (const float value : vector) {
    if (!std::isfinite(value)) return VectorFault::kNotFinite;
    square += static_cast<double>(value) * value;
  }
  if (metric != Metric::kCosine && square > kLengthMax * kLengthMax) return VectorFault::kTooLong;
  if (vector.empty() || metric == Metric::kL2) return VectorFault::kNone;
  if (square == 0) return VectorFault::kZero;
  if (metric != Metric::kCosine) return VectorFault::kNone;
  const double length = std::sqrt(square);
  if (std::abs(length - 1) <= kUnitTolerance) return VectorFault::kNone;
  for (float& value : vector) value = static_cast<float>(value / length);
  return VectorFault::kNone;
}

Status CheckPath(const FileRecord& file) {
  const std::string& path = file.file_path;
  const auto refuse = [&path](std::string_view why) {
    return InvalidArgumentError(StrCat("the file path \"", path.substr(0, 200), "\" ", why),
                                "give a path relative to the knowledge base's root, with / between its parts");
  };
  if (path.empty()) return refuse("is empty");
  if (path.size() > kFilePathBytesMax) return refuse(StrCat("is longer than ", kFilePathBytesMax, " bytes"));
  if (FindInvalidUtf8(path) != std::string::npos || path.find('\0') != std::string::npos) return refuse("is not UTF-8");
  if (file.is_dir) return refuse("is a folder, and the store makes the rows of folders by itself");
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = std::string_view(path).substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return refuse("has an empty part, \".\" or \"..\"");
    start = end + 1;
  }
  return Status();
}

Status CheckNode(const std::string& path, const Node& node) {
  const auto refuse = [&](std::string_view why) {
    return InvalidArgumentError(StrCat("node ", node.position, " of ", path, " ", why));
  };
  if (node.text.size() > kNodeTextBytesMax) {
    return refuse(StrCat("has a text of ", node.text.size(), " bytes, limit ", kNodeTextBytesMax))
        .WithRemedy("split the document into smaller nodes");
  }
  if (FindInvalidUtf8(node.text) != std::string::npos) return refuse("has a text that is not UTF-8");
  if (node.group.size() > kGroupBytesMax) return refuse(StrCat("has a group name over ", kGroupBytesMax, " bytes"));
  size_t heading_bytes = 0;
  for (const std::string& heading : node.heading) {
    heading_bytes += heading.size() + sizeof(uint32_t);
    if (FindInvalidUtf8(heading) != std::string::npos) return refuse("has a heading that is not UTF-8");
  }
  if (heading_bytes > kNodeHeadingBytesMax) return refuse(StrCat("has headings over ", kNodeHeadingBytesMax, " bytes"));
  for (const auto& span : {node.bytes, node.extracted}) {
    if (span && span->end < span->start) return refuse("has a span that ends before it starts");
  }
  return Status();
}

std::string KeyedVector(std::string_view key) { return key.empty() ? "vector" : StrCat("vector \"", key, "\""); }

Status CheckScale(std::span<float> vector, Metric metric, const auto& refuse) {
  switch (ScaleToMetric(vector, metric)) {
    case VectorFault::kNone:
      return Status();
    case VectorFault::kNotFinite:
      return refuse("holds NaN or infinity", "check the embedding model");
    case VectorFault::kZero:
      return refuse("is all zeros", "check the embedding model");
    case VectorFault::kTooLong:
      return refuse("is longer than 1e15", "check the embedding model, or use metric_type: COSINE");
  }
  return Status();
}

Status CheckNamed(const std::string& path, NewNode& node, Metric metric, const NamedDimensions& named) {
  for (auto& [key, vector] : node.named) {
    const auto refuse = [&](std::string_view why, std::string remedy) {
      return InvalidArgumentError(
          StrCat("the ", KeyedVector(key.substr(0, 100)), " of node ", node.node.position, " of ", path, " ", why),
          std::move(remedy));
    };
    const auto declared = named.find(key);
    if (declared == named.end()) {
      return refuse("has a key that the knowledge base does not know", "declare the embedder under embedders");
    }
    if (vector.size() != declared->second) {
      return refuse(
          StrCat("has another dimension than the knowledge base: ", vector.size(), ", not ", declared->second),
          "use the embedding model that the key was made with, or another key");
    }
    RAGTIME_RETURN_IF_ERROR(CheckScale(vector, metric, refuse));
  }
  return Status();
}

// Adds the keys that a batch declares.
Status DeclareKeys(const NamedDimensions& declared, NamedDimensions& named) {
  for (const auto& [key, dimension] : declared) {
    const auto refuse = [&key = key](std::string_view why) {
      return InvalidArgumentError(StrCat("the embedder \"", key.substr(0, 100), "\" ", why),
                                  "give it another key under embedders");
    };
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
    if (key.empty() || key.size() > 64 || std::any_of(key.begin(), key.end(), is_control) ||
        FindInvalidUtf8(key) != std::string::npos) {
      return refuse("has no usable key: 1 to 64 bytes of UTF-8");
    }
    if (dimension == 0 || dimension > kDimensionMax) {
      return refuse(StrCat("has vectors of dimension ", dimension, ", and 1 to ", kDimensionMax, " are taken"));
    }
    const auto [known, inserted] = named.emplace(key, dimension);
    if (known->second != dimension) {
      return refuse(StrCat("has dimension ", dimension, ", and the knowledge base has vectors of dimension ",
                           known->second, " under that key"));
    }
  }
  if (named.size() > kVectorKeysMax) {
    return InvalidArgumentError(StrCat("there are too many embedders: ", named.size(), ", limit ", kVectorKeysMax),
                                "leave some out");
  }
  return Status();
}

Status CheckVector(const std::string& path, NewNode& node, Metric metric, std::optional<size_t>& dimension) {
  const auto refuse = [&](std::string_view why, std::string remedy) {
    return InvalidArgumentError(StrCat("the vector of node ", node.node.position, " of ", path, " ", why),
                                std::move(remedy));
  };
  const size_t size = node.vector.size();
  if (!dimension) dimension = size;
  if (size != *dimension) {
    return refuse(StrCat("has another dimension than the knowledge base: ", size, ", not ", *dimension),
                  "use the embedding model that the knowledge base was made with, or make a new knowledge base");
  }
  if (size > kDimensionMax) return refuse(StrCat("has too many dimensions: ", size, ", limit ", kDimensionMax), {});
  return CheckScale(node.vector, metric, refuse);
}

Status CheckDeclared(std::span<const FieldSpec> fields) {
  if (fields.size() > kFieldsMax) {
    return InvalidArgumentError(StrCat("too many fields are declared: ", fields.size(), ", limit ", kFieldsMax),
                                "declare fewer doc_fields");
  }
  const std::vector<FieldSpec> known = NodeFields({});
  std::set<std::string_view> names;
  for (const FieldSpec& spec : fields) {
    const auto refuse = [&spec](std::string_view why) {
      return InvalidArgumentError(StrCat("the field \"", spec.name.substr(0, 100), "\" ", why),
                                  "give it another name in doc_fields");
    };
    const auto fits = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
    };
    if (spec.name.empty() || spec.name.size() > 128 || (spec.name[0] >= '0' && spec.name[0] <= '9') ||
        !std::all_of(spec.name.begin(), spec.name.end(), fits) || FindInvalidUtf8(spec.name) != std::string::npos) {
      return refuse("is not made of letters, digits and _, beginning with a letter");
    }
    if (std::any_of(known.begin(), known.end(), [&spec](const FieldSpec& k) { return k.name == spec.name; })) {
      return refuse("has the name of a field that every node has");
    }
    if (!names.insert(spec.name).second) return refuse("is declared twice");
  }
  return Status();
}

Status CheckFields(const std::string& path, const Fields& fields, std::span<const FieldSpec> declared) {
  for (const auto& [name, value] : fields) {
    const std::string subject = StrCat("the field ", name, " of ", path);
    const auto spec =
        std::find_if(declared.begin(), declared.end(), [&](const FieldSpec& s) { return s.name == name; });
    if (spec == declared.end()) {
      return InvalidArgumentError(StrCat(subject, " is not declared"), "declare it in doc_fields");
    }
    RAGTIME_RETURN_IF_ERROR(CheckValue(subject, spec->type, value));
  }
  return Status();
}

}  // namespace

Result<std::optional<size_t>> CheckBatch(WriteBatch& batch, Metric metric, std::optional<size_t> dimension,
                                         std::span<const FieldSpec> fields, NamedDimensions& named) {
  RAGTIME_RETURN_IF_ERROR(DeclareKeys(batch.dimensions, named));
  if (batch.fields) {
    RAGTIME_RETURN_IF_ERROR(CheckDeclared(*batch.fields));
    fields = *batch.fields;
  }
  size_t nodes = 0;
  std::set<std::string_view> paths;
  std::set<DocumentId> kept;
  for (DocumentWrite& document : batch.documents) {
    const std::string& path = document.file.file_path;
    RAGTIME_RETURN_IF_ERROR(CheckPath(document.file));
    if (!paths.insert(path).second) return InvalidArgumentError(StrCat("the batch holds the file ", path, " twice"));
    if (document.keep_id && !document.nodes.empty()) {
      return InvalidArgumentError(
          StrCat("the batch keeps the nodes of ", path, " and brings new ones: ", document.nodes.size()));
    }
    if (document.keep_id && !kept.insert(document.file.id).second) {
      return InvalidArgumentError(StrCat("the batch moves one file to ", path, " and to another path"));
    }
    if (!document.keep_id) RAGTIME_RETURN_IF_ERROR(CheckFields(path, document.file.fields, fields));
    nodes += document.nodes.size();
    if (nodes > kCommitNodesMax) continue;  // Refused below with the whole number.
    for (size_t i = 0; i < document.nodes.size(); ++i) {
      const Node& node = document.nodes[i].node;
      RAGTIME_RETURN_IF_ERROR(CheckNode(path, node));
      RAGTIME_RETURN_IF_ERROR(CheckVector(path, document.nodes[i], metric, dimension));
      RAGTIME_RETURN_IF_ERROR(CheckNamed(path, document.nodes[i], metric, named));
      if (i == 0) continue;
      const Node& before = document.nodes[i - 1].node;
      if (std::tie(before.group, before.position) >= std::tie(node.group, node.position)) {
        return InvalidArgumentError(StrCat("the nodes of ", path, " are not in the order of group and position: \"",
                                           before.group, "\" ", before.position, " comes before \"", node.group, "\" ",
                                           node.position));
      }
    }
  }
  if (nodes > kCommitNodesMax) {
    return InvalidArgumentError(StrCat("the batch has too many nodes: ", nodes, ", limit ", kCommitNodesMax),
                                "commit fewer documents at once");
  }
  for (const auto& [key, value] : batch.settings) {
    if (IsReservedSetting(key)) return InvalidArgumentError(StrCat("the setting ", key, " is the store's own"));
  }
  return dimension;
}

std::string EncodeDimensions(const NamedDimensions& dimensions) {
  std::string text;
  for (const auto& [key, dimension] : dimensions) text += StrCat(dimension, " ", key, "\n");
  return text;
}

Result<NamedDimensions> DecodeDimensions(std::string_view text) {
  NamedDimensions dimensions;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    size_t dimension = 0;
    const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), dimension);
    const auto digits = static_cast<size_t>(stop - line.data());
    if (error != std::errc() || digits + 1 >= line.size() || line[digits] != ' ' || dimension == 0 ||
        dimension > kDimensionMax) {
      return DataLossError(StrCat("the keys of the vectors are recorded as \"", line.substr(0, 100), "\""),
                           "restore the knowledge base from a copy, or ingest the documents into a new one");
    }
    dimensions[std::string(line.substr(digits + 1))] = dimension;
  }
  return dimensions;
}

Result<size_t> DimensionFor(const VectorQuery& query, std::optional<size_t> dimension, const NamedDimensions& named) {
  if (query.key.empty()) return dimension.value_or(0);
  const auto found = named.find(query.key);
  if (found != named.end()) return found->second;
  return InvalidArgumentError(StrCat("the knowledge base has no vectors of an embedder \"", query.key, "\""),
                              "run ragtime ingest with that embedder in the configuration");
}

Result<std::vector<float>> CheckQueryVector(std::span<const float> vector, Metric metric, size_t dimension) {
  if (vector.size() != dimension) {
    return InvalidArgumentError(StrCat("the vector of the question has another dimension than the knowledge base: ",
                                       vector.size(), ", not ", dimension),
                                "use the embedding model that the knowledge base was made with");
  }
  std::vector<float> scaled(vector.begin(), vector.end());
  switch (ScaleToMetric(scaled, metric)) {
    case VectorFault::kNone:
      return scaled;
    case VectorFault::kNotFinite:
      return InvalidArgumentError("the vector of the question holds NaN or infinity", "check the embedding model");
    case VectorFault::kZero:
      return InvalidArgumentError("the vector of the question is all zeros", "check the embedding model");
    case VectorFault::kTooLong:
      return InvalidArgumentError("the vector of the question is longer than 1e15", "check the embedding model");
  }
  return scaled;
}

bool IsReservedSetting(std::string_view key) {
  static constexpr std::array<std::string_view, 7> kReserved = {
      "uuid", "format_version", "needs_ragtime", "dimension", "metric", kFieldsSetting, kNamedDimensionsSetting};
  return std::find(kReserved.begin(), kReserved.end(), key) != kReserved.end();
}

std::string_view MetricName(Metric metric) {
  switch (metric) {
    case Metric::kCosine:
      return "COSINE";
    case Metric::kInnerProduct:
      return "IP";
    case Metric::kL2:
      return "L2";
  }
  return "COSINE";
}

std::optional<Metric> ParseMetric(std::string_view name) {
  for (const Metric metric : {Metric::kCosine, Metric::kInnerProduct, Metric::kL2}) {
    if (MetricName(metric) == name) return metric;
  }
  return std::nullopt;
}

}  // namespace ragtime
