// SPDX-License-Identifier: Apache-2.0
#include "wire/schema.h"

#include <optional>

#include <map>

#include <array>
#include <cstdio>
#include <ctime>

#include "ragtime/version.h"
#include "wire/field_json.h"

namespace ragtime {
namespace {

Json Object() { return Json(Json::Object{}).Set("schema", kJsonSchema); }

// Ids pass through languages whose numbers are doubles, so they travel as text.
Json Id(int64_t id) { return std::to_string(id); }

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json Start(const std::optional<Span>& span) { return span ? Json(span->start) : Json(); }
Json End(const std::optional<Span>& span) { return span ? Json(span->end) : Json(); }

Json TimingsJson(const Timings& timings) {
  Json json(Json::Object{});
  for (const auto& [stage, ms] : timings) json.Set(stage, ms);
  return json;
}

Json WarningsJson(const std::vector<Warning>& warnings) {
  Json json(Json::Array{});
  for (const Warning& warning : warnings) {
    Json entry(Json::Object{});
    entry.Set("code", warning.code);
    if (warning.route) entry.Set("route", *warning.route);
    json.Append(std::move(entry.Set("message", warning.message)));
  }
  return json;
}

std::string_view ModeName(AnswerMode mode) {
  switch (mode) {
    case AnswerMode::kAuto:
      return "auto";
    case AnswerMode::kGenerate:
      return "generate";
    case AnswerMode::kExtract:
      return "extract";
  }
  return "auto";
}

std::string_view HealthName(Health health) {
  switch (health) {
    case Health::kGood:
      return "good";
    case Health::kLimited:
      return "limited";
    case Health::kMissing:
      return "missing";
  }
  return "missing";
}

// What a store holds and takes, as compact compares it.
Json StoreJson(const StoreStatistics& store) {
  Json json(Json::Object{});
  json.Set("nodes", store.nodes).Set("deleted_nodes", store.deleted_nodes).Set("tail_nodes", store.tail_nodes);
  return std::move(json.Set("segments", store.segments).Set("size_bytes", store.size_bytes));
}

Json TuningJson(const VectorTuning& tuning) {
  Json json(Json::Object{});
  json.Set("ef", tuning.ef).Set("recall", tuning.recall).Set("recall_wanted", tuning.recall_wanted);
  json.Set("depth", uint64_t{tuning.depth}).Set("questions", uint64_t{tuning.questions}).Set("nodes", tuning.nodes);
  return std::move(json.Set("time", IsoTime(tuning.time_ms)));
}

}  // namespace

std::string IsoTime(int64_t unix_ms) {
  // Floor, so that times before 1970 keep a positive remainder.
  const int64_t seconds = unix_ms / 1000 - (unix_ms % 1000 < 0 ? 1 : 0);
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, static_cast<int>(unix_ms - seconds * 1000));
  return text.data();
}

Json SearchJson(const std::string& query, const SearchResult& result) {
  Json hits(Json::Array{});
  int rank = 0;
  for (const SearchHit& hit : result.hits) {
    Json scores(Json::Object{});
    for (const auto& [route, score] : hit.scores) scores.Set(route, score);
    Json heading(Json::Array{});
    for (const std::string& title : hit.node.heading) heading.Append(title);
    Json entry(Json::Object{});
    Json ranks(Json::Object{});
    for (const auto& [route, place] : hit.ranks) ranks.Set(route, uint64_t{place});
    entry.Set("rank", ++rank).Set("score", hit.score).Set("scores", std::move(scores)).Set("ranks", std::move(ranks));
    if (!hit.via.empty()) {
      Json via(Json::Object{});
      for (const auto& [route, found] : hit.via) via.Set(route, Id(found));
      entry.Set("via", std::move(via));
    }
    if (hit.window_of) entry.Set("window_of", Id(*hit.window_of));
    entry.Set("node_id", Id(hit.node.id));
    entry.Set("group", hit.node.group)
        .Set("text", hit.node.text)
        .Set("file", hit.file)
        .Set("page", OrNull(hit.node.page));
    entry.Set("byte_start", Start(hit.node.bytes)).Set("byte_end", End(hit.node.bytes));
    entry.Set("text_start", Start(hit.node.extracted)).Set("text_end", End(hit.node.extracted));
    hits.Append(std::move(entry.Set("heading", std::move(heading))));
  }
  Json json = Object();
  json.Set("query", query)
      .Set("hits", std::move(hits))
      .Set("cached", result.cached)
      .Set("timings_ms", TimingsJson(result.timings_ms));
  if (!result.embed_keys.empty()) {
    Json keys(Json::Object{});
    for (const auto& [route, key] : result.embed_keys) keys.Set(route, key);
    json.Set("embed_keys", std::move(keys));
  }
  return std::move(json.Set("warnings", WarningsJson(result.warnings)));
}

Json WhyNotJson(const std::string& query, const WhyNotReport& report) {
  Json routes(Json::Object{});
  for (const WhyNotRoute& route : report.routes) {
    Json entry(Json::Object{});
    entry.Set("state", route.state).Set("rank", OrNull(route.rank)).Set("score", OrNull(route.score));
    routes.Set(route.name, std::move(entry.Set("depth", uint64_t{route.depth})));
  }
  Json json = Object();
  json.Set("query", query).Set("file", report.file).Set("stage", report.stage).Set("message", report.message);
  json.Set("remedy", report.remedy).Set("nodes", report.nodes).Set("matching_nodes", report.matching_nodes);
  json.Set("routes", std::move(routes)).Set("fused_rank", OrNull(report.fused_rank));
  json.Set("reranked_rank", OrNull(report.reranked_rank)).Set("rank", OrNull(report.rank));
  json.Set("timings_ms", TimingsJson(report.timings_ms));
  return std::move(json.Set("warnings", WarningsJson(report.warnings)));
}

Json AnswerJson(const Answer& answer) {
  Json citations(Json::Array{});
  for (const Citation& citation : answer.citations) {
    Json entry(Json::Object{});
    entry.Set("marker", citation.marker).Set("node_id", Id(citation.node_id)).Set("file", citation.file);
    entry.Set("page", OrNull(citation.page));
    entry.Set("byte_start", Start(citation.bytes)).Set("byte_end", End(citation.bytes)).Set("quote", citation.quote);
    if (citation.inferred) entry.Set("inferred", true);
    citations.Append(std::move(entry));
  }
  Json usage(Json::Object{});
  usage.Set("prompt_tokens", uint64_t{answer.prompt_tokens}).Set("cached_tokens", uint64_t{answer.cached_tokens});
  usage.Set("completion_tokens", uint64_t{answer.completion_tokens});
  Json json = Object();
  json.Set("answer", answer.text).Set("reasoning", answer.reasoning).Set("mode", ModeName(answer.mode));
  json.Set("found", answer.found).Set("citations", std::move(citations)).Set("usage", std::move(usage));
  json.Set("cached", answer.cached);
  if (answer.similar_question) json.Set("similar_question", *answer.similar_question);
  if (answer.standalone_question) json.Set("standalone_question", *answer.standalone_question);
  json.Set("timings_ms", TimingsJson(answer.timings_ms));
  return std::move(json.Set("warnings", WarningsJson(answer.warnings)));
}

std::map<DocumentId, FolderTotals> TotalsOfFolders(const std::vector<FileRecord>& files) {
  std::map<DocumentId, FolderTotals> totals;
  std::map<DocumentId, std::optional<DocumentId>> parents;
  for (const FileRecord& file : files) {
    if (!file.is_dir) continue;
    totals[file.id];
    parents[file.id] = file.parent_id;
  }
  for (const FileRecord& file : files) {
    if (file.is_dir) continue;
    // A row names its parent, and a path has few parts, so that this ends even where rows contradict each other.
    size_t steps = 0;
    for (std::optional<DocumentId> at = file.parent_id; at && parents.contains(*at) && steps < 4096;
         at = parents[*at], ++steps) {
      FolderTotals& folder = totals[*at];
      ++folder.files;
      folder.failed += file.status == FileStatus::kFailed ? 1 : 0;
      folder.nodes += file.nodes;
      folder.size_bytes += file.file_size;
    }
  }
  return totals;
}

Json TableJson(const TableResult& result) {
  Json json(Json::Object{});
  json.Set("schema", kJsonSchema);
  Json::Array columns;
  for (const std::string& column : result.columns) columns.emplace_back(column);
  json.Set("columns", std::move(columns));
  Json::Array rows;
  for (const std::vector<FieldValue>& row : result.rows) {
    Json object(Json::Object{});
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string& column = result.columns[i];
      const auto* id = std::get_if<int64_t>(&row[i]);
      const bool is_id = id != nullptr && (column == "id" || column == "parent_id" || column == "document_id");
      object.Set(column, is_id ? Json(std::to_string(*id)) : FieldValueToJson(row[i]));
    }
    rows.push_back(std::move(object));
  }
  json.Set("rows", std::move(rows));
  json.Set("total", result.total);
  return json;
}

Json FilesJson(const std::vector<FileRecord>& files) {
  const std::map<DocumentId, FolderTotals> totals = TotalsOfFolders(files);
  Json rows(Json::Array{});
  for (const FileRecord& file : files) {
    Json row(Json::Object{});
    row.Set("id", Id(file.id)).Set("file_name", file.file_name).Set("file_path", file.file_path);
    row.Set("file_type", file.file_type).Set("is_dir", file.is_dir).Set("file_size", file.file_size);
    row.Set("parent_id", file.parent_id ? Id(*file.parent_id) : Json())
        .Set("create_time", IsoTime(file.create_time_ms));
    row.Set("status", FileStatusName(file.status)).Set("error", file.error.empty() ? Json() : Json(file.error));
    row.Set("nodes", file.nodes);
    if (!file.fields.empty()) row.Set("fields", FieldsToJson(file.fields));
    if (file.is_dir) {
      const FolderTotals& below = totals.at(file.id);
      Json object(Json::Object{});
      object.Set("files", below.files).Set("failed", below.failed).Set("nodes", below.nodes);
      row.Set("below", std::move(object.Set("file_size", below.size_bytes)));
    }
    rows.Append(std::move(row));
  }
  return std::move(Object().Set("files", std::move(rows)));
}

bool IsOutgrown(const KnowledgeBaseStatistics& statistics) {
  if (!statistics.tuning) return false;
  const uint64_t nodes = statistics.store.nodes;
  return 2 * nodes > 3 * statistics.tuning->nodes || 2 * nodes < statistics.tuning->nodes;
}

Json StatisticsJson(const KnowledgeBaseStatistics& statistics) {
  Json json = Object();
  json.Set("uuid", statistics.uuid).Set("generation", statistics.generation).Set("root", statistics.root);
  json.Set("model", statistics.model).Set("dimension", uint64_t{statistics.dimension});
  if (!statistics.embedders.empty()) {
    Json embedders(Json::Object{});
    for (const auto& [key, record] : statistics.embedders) {
      Json entry(Json::Object{});
      embedders.Set(key, std::move(entry.Set("model", record.model).Set("dimension", uint64_t{record.dimension})));
    }
    json.Set("embedders", std::move(embedders));
  }
  json.Set("files", statistics.store.files).Set("folders", statistics.store.folders);
  json.Set("nodes", statistics.store.nodes).Set("deleted_nodes", statistics.store.deleted_nodes);
  json.Set("tail_nodes", statistics.store.tail_nodes).Set("segments", statistics.store.segments);
  Json indexes(Json::Object{});
  for (const auto& [type, rows] : statistics.store.vector_index_rows) indexes.Set(type, rows);
  json.Set("vector_indexes", std::move(indexes));
  json.Set("size_bytes", statistics.store.size_bytes);
  if (statistics.tuning) {
    Json tuning = TuningJson(*statistics.tuning);
    json.Set("tuning", std::move(tuning.Set("outgrown", IsOutgrown(statistics))));
  }
  if (statistics.cache.empty()) return json;
  const CacheStatistics& counts = statistics.cache_counts;
  const auto or_null = [](const std::optional<uint64_t>& number) { return number ? Json(*number) : Json(); };
  Json cache(Json::Object{});
  cache.Set("name", statistics.cache).Set("hits", counts.hits).Set("misses", counts.misses);
  const uint64_t asked = counts.hits + counts.misses;
  cache.Set("hit_rate", asked == 0 ? Json() : Json(static_cast<double>(counts.hits) / static_cast<double>(asked)));
  cache.Set("entries", or_null(counts.entries)).Set("bytes", or_null(counts.bytes));
  cache.Set("evictions", or_null(counts.evictions)).Set("capacity_bytes", or_null(counts.capacity_bytes));
  if (!statistics.cache_condition.ok()) cache.Set("bypassed", statistics.cache_condition.message());
  return std::move(json.Set("cache", std::move(cache)));
}

Json DeleteJson(const DeleteReport& report) {
  Json paths(Json::Array{});
  for (const std::string& path : report.file_paths) paths.Append(Json(path));
  Json json = Object();
  json.Set("files", report.files).Set("folders", report.folders).Set("nodes", report.nodes);
  return std::move(json.Set("file_paths", std::move(paths)));
}

Json CompactJson(const CompactReport& report) {
  Json json = Object();
  return std::move(json.Set("before", StoreJson(report.before)).Set("after", StoreJson(report.after)));
}

Json VerifyJson(const VerifyReport& report) {
  Json findings(Json::Array{});
  for (const Damage& damage : report.damages) {
    Json entry(Json::Object{});
    findings.Append(std::move(entry.Set("file", damage.file).Set("message", damage.message)));
  }
  Json json = Object();
  return std::move(json.Set("whole", report.damages.empty()).Set("findings", std::move(findings)));
}

Json BackupJson(const BackupReport& report) {
  Json json = Object();
  json.Set("path", report.path).Set("files", report.store.files).Set("nodes", report.store.nodes);
  json.Set("segments", report.store.segments).Set("size_bytes", report.store.size_bytes);
  return std::move(json.Set("total_ms", report.total_ms));
}

Json CopyJson(const CopyReport& report) {
  Json json = Object();
  json.Set("from", report.from).Set("to", report.to).Set("files", report.files).Set("nodes", report.nodes);
  json.Set("checksum", report.checksum).Set("files_copied", report.files_copied);
  json.Set("files_reused", report.files_reused).Set("files_removed", report.files_removed);
  json.Set("nodes_copied", report.nodes_copied).Set("size_bytes", report.store.size_bytes);
  return std::move(json.Set("timings_ms", TimingsJson(report.timings_ms)));
}

Json ImportJson(const ImportReport& report) {
  Json fields(Json::Array{});
  for (const FieldSpec& spec : report.fields) {
    Json entry(Json::Object{});
    fields.Append(std::move(entry.Set("name", spec.name).Set("type", FieldTypeName(spec.type))));
  }
  Json json = Object();
  json.Set("from", report.from).Set("model", report.model).Set("nodes_checked", report.nodes_checked);
  json.Set("cosine_min", report.cosine_min).Set("cosine_median", report.cosine_median);
  json.Set("files_imported", report.files_imported).Set("files_reused", report.files_reused);
  json.Set("nodes_imported", report.nodes_imported).Set("nodes_skipped", report.nodes_skipped);
  json.Set("fields", std::move(fields)).Set("timings_ms", TimingsJson(report.timings_ms));
  return std::move(json.Set("warnings", WarningsJson(report.warnings)));
}

Json ReembedJson(const ReembedReport& report) {
  Json json = Object();
  json.Set("model_before", report.model_before).Set("model", report.model);
  json.Set("dimension_before", uint64_t{report.dimension_before}).Set("dimension", uint64_t{report.dimension});
  json.Set("nodes", report.nodes).Set("nodes_embedded", report.nodes_embedded).Set("questions", report.questions);
  json.Set("recall_before", OrNull(report.recall_before)).Set("recall", OrNull(report.recall));
  return std::move(json.Set("timings_ms", TimingsJson(report.timings_ms)));
}

Json JoinRecordJson(const JoinRecord& record) {
  Json points(Json::Array{});
  for (const JoinPoint& point : record.points) {
    Json entry(Json::Object{});
    entry.Set("head_tokens", uint64_t{point.head_tokens}).Set("ttft_ms", point.ttft_ms);
    entry.Set("speedup", point.ttft_ms > 0 ? record.whole_ttft_ms / point.ttft_ms : 0);
    entry.Set("divergence_nats", point.divergence_nats).Set("agreement", point.agreement);
    entry.Set("from_passages", point.from_passages).Set("on_topic", point.on_topic);
    points.Append(std::move(entry.Set("allowed", point.allowed)));
  }
  Json whole(Json::Object{});
  whole.Set("ttft_ms", record.whole_ttft_ms).Set("from_passages", record.whole_from_passages);
  whole.Set("on_topic", record.whole_on_topic);
  Json json = Object();
  json.Set("questions", uint64_t{record.questions}).Set("whole", std::move(whole)).Set("points", std::move(points));
  return std::move(json.Set("joins", record.head_tokens > 0).Set("head_tokens", uint64_t{record.head_tokens}));
}

Json TuneJson(const TuneReport& report) {
  Json points(Json::Array{});
  for (const TunePoint& point : report.points) {
    Json entry(Json::Object{});
    points.Append(std::move(entry.Set("ef", point.ef).Set("recall", point.recall).Set("mean_us", point.mean_us)));
  }
  Json json = Object();
  json.Set("tuning", TuningJson(report.tuning)).Set("points", std::move(points)).Set("scan_us", report.scan_us);
  json.Set("warnings", WarningsJson(report.warnings));
  return std::move(json.Set("timings_ms", TimingsJson(report.timings_ms)));
}

Json IngestJson(const IngestReport& report) {
  Json failed(Json::Array{});
  for (const FailedFile& file : report.failed) {
    Json entry(Json::Object{});
    entry.Set("file", file.file).Set("code", StatusCodeName(file.status.code()));
    failed.Append(std::move(entry.Set("message", file.status.message()).Set("remedy", file.status.remedy())));
  }
  Json json = Object();
  json.Set("files_added", report.files_added).Set("files_changed", report.files_changed);
  json.Set("files_moved", report.files_moved).Set("files_deleted", report.files_deleted);
  Json skipped_types(Json::Object{});
  for (const auto& [type, files] : report.skipped_types) skipped_types.Set(type, files);
  json.Set("files_unchanged", report.files_unchanged).Set("files_skipped", report.files_skipped);
  json.Set("skipped_types", std::move(skipped_types));
  json.Set("nodes_added", report.nodes_added).Set("nodes_reused", report.nodes_reused);
  json.Set("source_bytes", report.source_bytes).Set("failed", std::move(failed));
  json.Set("timings_ms", TimingsJson(report.timings_ms));
  return std::move(json.Set("warnings", WarningsJson(report.warnings)));
}

Json DoctorJson(const std::vector<Finding>& findings) {
  Json rows(Json::Array{});
  for (const Finding& finding : findings) {
    Json row(Json::Object{});
    row.Set("area", finding.area).Set("name", finding.name).Set("health", HealthName(finding.health));
    rows.Append(std::move(row.Set("detail", finding.detail).Set("remedy", finding.remedy)));
  }
  return std::move(Object().Set("findings", std::move(rows)));
}

Json ErrorJson(const Status& status) {
  Json error(Json::Object{});
  error.Set("code", StatusCodeName(status.code())).Set("message", status.message()).Set("remedy", status.remedy());
  return std::move(Object().Set("error", std::move(error)));
}

}  // namespace ragtime
