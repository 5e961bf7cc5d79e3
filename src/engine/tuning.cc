// SPDX-License-Identifier: Apache-2.0
#include "engine/tuning.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <unordered_set>
#include <utility>

#include "base/stopwatch.h"
#include "base/str_cat.h"
#include "base/unix_time.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr char kSetting[] = "tuning.vector";
constexpr std::array<uint32_t, 17> kEfs = {16,  24,  32,  48,   64,   96,   128,  192, 256,
                                           384, 512, 768, 1024, 1536, 2048, 3072, 4096};
// A walk that keeps every row is a scan.
constexpr uint32_t kScanEf = std::numeric_limits<uint32_t>::max();
// Equal vectors may stand for each other, and scores of one vector differ by rounding.
constexpr double kTie = 1e-6;

struct Found {
  std::vector<std::vector<Hit>> hits;  // By question, its own node left out.
  double mean_us = 0;
};

Result<Found> SearchAll(const Context& context, const Snapshot& snapshot, const std::vector<TuningQuestion>& questions,
                        const TuningRequest& request, uint32_t ef) {
  Found found;
  const Stopwatch stopwatch;
  for (const TuningQuestion& question : questions) {
    const VectorQuery query{.vector = question.vector,
                            .limit = request.depth + (question.own != 0 ? 1 : 0),
                            .group = request.group,
                            .filter = {},
                            .parameters = {.ef = ef}};
    RAGTIME_ASSIGN_OR_RETURN(std::vector<Hit> hits, snapshot.SearchVector(context, query));
    found.hits.push_back(std::move(hits));
  }
  found.mean_us = stopwatch.ElapsedMs() * 1e3 / static_cast<double>(questions.size());
  for (size_t i = 0; i < questions.size(); ++i) {
    std::vector<Hit>& hits = found.hits[i];
    std::erase_if(hits, [&](const Hit& hit) { return hit.node_id == questions[i].own; });
    if (hits.size() > request.depth) hits.resize(request.depth);
  }
  return found;
}

// The share of the nearest nodes that were found, counted by score.
double RecallOf(const Found& exact, const Found& found) {
  uint64_t wanted = 0;
  uint64_t there = 0;
  for (size_t i = 0; i < exact.hits.size(); ++i) {
    if (exact.hits[i].empty()) continue;
    const double worst = exact.hits[i].back().score;
    const double least = worst - kTie * std::max(1.0, std::abs(worst));
    const auto near = static_cast<uint64_t>(std::count_if(found.hits[i].begin(), found.hits[i].end(),
                                                          [least](const Hit& hit) { return hit.score >= least; }));
    wanted += exact.hits[i].size();
    there += std::min<uint64_t>(near, exact.hits[i].size());
  }
  return wanted == 0 ? 1 : static_cast<double>(there) / static_cast<double>(wanted);
}

Status NothingToTune() {
  return FailedPreconditionError("every search of this knowledge base is exact: none of its segments has a graph",
                                 "nothing is to be done; ragtime stats shows when segments of type HNSW are there");
}

}  // namespace

Result<std::vector<std::pair<NodeId, DocumentId>>> SampleNodes(const Context& context, const Snapshot& snapshot,
                                                               const std::string& group, size_t count) {
  std::vector<std::pair<NodeId, DocumentId>> nodes;
  RAGTIME_RETURN_IF_ERROR(snapshot.VisitNodes(context, {}, [&](const NodeRow& row) {
    if (group.empty() || row.group == group) nodes.emplace_back(row.node_id, row.document_id);
    return true;
  }));
  std::vector<std::pair<NodeId, DocumentId>> sample;
  count = std::min(count, nodes.size());
  sample.reserve(count);
  for (size_t i = 0; i < count; ++i) sample.push_back(nodes[i * nodes.size() / count]);
  return sample;
}

Result<std::vector<TuningQuestion>> SampleQuestions(const Context& context, const Snapshot& snapshot,
                                                    const std::string& group, size_t count) {
  RAGTIME_ASSIGN_OR_RETURN(const auto sample, SampleNodes(context, snapshot, group, count));
  std::map<DocumentId, std::unordered_set<NodeId>> chosen;
  for (const auto& [node, document] : sample) chosen[document].insert(node);
  std::vector<TuningQuestion> questions;
  for (const auto& [document, wanted] : chosen) {
    RAGTIME_RETURN_IF_ERROR(context.Check());
    RAGTIME_ASSIGN_OR_RETURN(std::vector<NewNode> of_document, snapshot.NodesOf(document));
    for (NewNode& node : of_document) {
      const auto& vector = node.vector;
      // Nodes of a group without vectors.
      if (std::all_of(vector.begin(), vector.end(), [](float value) { return value == 0; })) continue;
      if (wanted.contains(node.node.id)) questions.push_back({std::move(node.vector), node.node.id});
    }
  }
  return questions;
}

Result<TuneReport> MeasureRecall(const Context& context, const Snapshot& snapshot,
                                 const std::vector<TuningQuestion>& questions, const TuningRequest& request) {
  RAGTIME_ASSIGN_OR_RETURN(const StoreStatistics statistics, snapshot.Statistics());
  if (questions.empty()) {
    return FailedPreconditionError("the knowledge base holds no vectors to measure with",
                                   "ingest documents first, or name --questions FILE");
  }
  const auto& types = statistics.vector_index_rows;
  if (std::all_of(types.begin(), types.end(), [](const auto& type) { return type.first == "FLAT"; })) {
    return NothingToTune();
  }
  for (const auto& [type, rows] : types) {
    // What others spend is no ef, and no ef makes them exact.
    if (type == "FLAT" || type == "HNSW" || type == "HNSW_FAST") continue;
    return FailedPreconditionError(
        StrCat("segments of this knowledge base have an index of type ", type, ", which is not tuned by ef"),
        "set its parameters in the configuration, or set index_type: HNSW and run ragtime compact");
  }
  RAGTIME_ASSIGN_OR_RETURN(const Found exact, SearchAll(context, snapshot, questions, request, kScanEf));
  TuneReport report;
  report.scan_us = exact.mean_us;
  std::vector<uint32_t> efs = {static_cast<uint32_t>(std::min<size_t>(request.depth, kEfs.back()))};
  std::copy_if(kEfs.begin(), kEfs.end(), std::back_inserter(efs), [&](uint32_t ef) { return ef > efs.front(); });
  for (const uint32_t ef : efs) {
    RAGTIME_ASSIGN_OR_RETURN(const Found found, SearchAll(context, snapshot, questions, request, ef));
    report.points.push_back({.ef = ef, .recall = RecallOf(exact, found), .mean_us = found.mean_us});
    if (report.points.back().recall >= request.recall) break;
  }
  const TunePoint& last = report.points.back();
  if (last.recall < request.recall) {
    return FailedPreconditionError(
        StrCat("no ef up to ", last.ef, " finds ", request.recall, " of the nearest nodes; that one finds ",
               last.recall),
        "ask for less with --recall, or set a larger M or efConstruction and run ragtime compact, or index_type: FLAT");
  }
  report.tuning = {.ef = last.ef,
                   .recall = last.recall,
                   .recall_wanted = request.recall,
                   .depth = request.depth,
                   .questions = questions.size(),
                   .nodes = statistics.nodes,
                   .time_ms = UnixTimeMs()};
  return report;
}

std::map<std::string, std::string> TuningSettings(const VectorTuning& tuning, std::string_view fingerprint) {
  Json json(Json::Object{});
  json.Set("ef", tuning.ef).Set("recall", tuning.recall).Set("recall_wanted", tuning.recall_wanted);
  json.Set("depth", uint64_t{tuning.depth}).Set("questions", uint64_t{tuning.questions}).Set("nodes", tuning.nodes);
  json.Set("time_ms", tuning.time_ms).Set("fingerprint", fingerprint);
  return {{kSetting, json.Dump()}};
}

Result<std::optional<VectorTuning>> ReadTuning(const Store& store, std::string_view fingerprint) {
  RAGTIME_ASSIGN_OR_RETURN(const std::optional<std::string> text, store.Setting(kSetting));
  if (!text) return std::optional<VectorTuning>();
  const Result<Json> json = Json::Parse(*text);
  const int64_t ef = json.ok() ? (*json)["ef"].AsInt() : 0;
  if (ef < 1 || ef > int64_t{kEfs.back()}) {
    return DataLossError(StrCat("the knowledge base records ", kSetting, " as \"", text->substr(0, 200), "\""),
                         "run ragtime verify");
  }
  if ((*json)["fingerprint"].AsString() != fingerprint) return std::optional<VectorTuning>();
  return std::optional(VectorTuning{.ef = static_cast<uint32_t>(ef),
                                    .recall = (*json)["recall"].AsDouble(),
                                    .recall_wanted = (*json)["recall_wanted"].AsDouble(),
                                    .depth = static_cast<size_t>((*json)["depth"].AsInt()),
                                    .questions = static_cast<size_t>((*json)["questions"].AsInt()),
                                    .nodes = static_cast<uint64_t>((*json)["nodes"].AsInt()),
                                    .time_ms = (*json)["time_ms"].AsInt()});
}

}  // namespace ragtime
