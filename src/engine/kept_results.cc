// SPDX-License-Identifier: Apache-2.0
#include "engine/kept_results.h"

#include <algorithm>
#include <array>

#include "cache/record.h"

namespace ragtime {
namespace {

constexpr char kSearch[] = "search";
constexpr char kAnswer[] = "answer";
constexpr char kSession[] = "session";

void Write(RecordWriter& out, const std::vector<Warning>& warnings) {
  out.Number(warnings.size());
  for (const Warning& warning : warnings) out.Text(warning.code).Text(warning.route.value_or("")).Text(warning.message);
}

std::vector<Warning> ReadWarnings(RecordReader& in) {
  std::vector<Warning> warnings(in.Count());
  for (Warning& warning : warnings) {
    warning.code = in.Text();
    if (const std::string_view route = in.Text(); !route.empty()) warning.route = route;
    warning.message = in.Text();
  }
  return warnings;
}

void Write(RecordWriter& out, const std::optional<Span>& span) {
  out.Number(span ? 1 : 0).Number(span ? span->start : 0).Number(span ? span->end : 0);
}

std::optional<Span> ReadSpan(RecordReader& in) {
  const bool there = in.Number() == 1;
  const uint64_t start = in.Number();
  const uint64_t end = in.Number();
  return there ? std::optional(Span{start, end}) : std::nullopt;
}

// 0: none; pages count from 1.
std::optional<uint32_t> ReadPage(RecordReader& in) {
  const uint64_t page = in.Number();
  return page == 0 ? std::nullopt : std::optional(static_cast<uint32_t>(page));
}

void Write(RecordWriter& out, const SearchHit& hit) {
  out.Real(hit.score).Number(hit.scores.size());
  for (const auto& [route, score] : hit.scores) out.Text(route).Real(score);
  out.Number(hit.ranks.size());
  for (const auto& [route, rank] : hit.ranks) out.Text(route).Number(rank);
  out.Number(hit.via.size());
  for (const auto& [route, found] : hit.via) out.Text(route).Number(static_cast<uint64_t>(found));
  out.Number(static_cast<uint64_t>(hit.window_of.value_or(0)));
  const Node& node = hit.node;
  out.Text(hit.file).Number(static_cast<uint64_t>(node.id)).Number(static_cast<uint64_t>(node.document_id));
  out.Text(node.group).Number(node.position).Text(node.text).Number(node.heading.size());
  for (const std::string& title : node.heading) out.Text(title);
  Write(out, node.bytes);
  Write(out, node.extracted);
  out.Number(node.page.value_or(0));
}

SearchHit ReadHit(RecordReader& in) {
  SearchHit hit;
  hit.score = in.Real();
  for (size_t i = in.Count(); i > 0; --i) {
    const std::string route(in.Text());
    hit.scores[route] = in.Real();
  }
  for (size_t i = in.Count(); i > 0; --i) {
    const std::string route(in.Text());
    hit.ranks[route] = in.Number();
  }
  for (size_t i = in.Count(); i > 0; --i) {
    const std::string route(in.Text());
    hit.via[route] = static_cast<NodeId>(in.Number());
  }
  if (const uint64_t neighbour = in.Number(); neighbour != 0) hit.window_of = static_cast<NodeId>(neighbour);
  Node& node = hit.node;
  hit.file = in.Text();
  node.id = static_cast<NodeId>(in.Number());
  node.document_id = static_cast<DocumentId>(in.Number());
  node.group = in.Text();
  node.position = static_cast<uint32_t>(in.Number());
  node.text = in.Text();
  for (size_t i = in.Count(); i > 0; --i) node.heading.emplace_back(in.Text());
  node.bytes = ReadSpan(in);
  node.extracted = ReadSpan(in);
  node.page = ReadPage(in);
  return hit;
}

}  // namespace

std::string SearchIdentity(const SearchRequest& request, size_t top_k, Route route) {
  return RecordWriter()
      .Text(request.query)
      .Text(request.filter)
      .Number(top_k)
      .Number(static_cast<uint64_t>(route))
      .Take();
}

std::string AskIdentity(const AskRequest& request, Route route, AnswerMode mode, const Conversation& conversation) {
  RecordWriter out;
  out.Text(request.question).Text(request.filter);
  out.Number(static_cast<uint64_t>(route)).Number(static_cast<uint64_t>(mode));
  out.Number(request.max_tokens.value_or(0));
  if (request.json_schema) out.Text("json").Text(*request.json_schema);
  for (const Turn& turn : conversation.turns) out.Text(turn.question).Text(turn.standalone).Text(turn.answer);
  return out.Take();
}

bool WorthKeeping(const std::vector<Warning>& warnings) {
  constexpr std::array<std::string_view, 5> kLasting = {"language", "cannot_cite", "uncited", "truncated", "empty"};
  return std::all_of(warnings.begin(), warnings.end(), [&](const Warning& warning) {
    return std::find(kLasting.begin(), kLasting.end(), warning.code) != kLasting.end();
  });
}

std::optional<SearchResult> KeptResults::FindSearch(const Context& context, std::string_view identity) const {
  const std::optional<std::string> bytes = kept_.Find(context, kSearch, identity);
  if (!bytes) return std::nullopt;
  RecordReader in(*bytes);
  SearchResult result{.cached = true};
  for (size_t i = in.Count(); i > 0 && in.ok(); --i) result.hits.push_back(ReadHit(in));
  result.warnings = ReadWarnings(in);
  return in.complete() ? std::optional(std::move(result)) : std::nullopt;
}

void KeptResults::KeepSearch(const Context& context, std::string_view identity, const SearchResult& result) const {
  RecordWriter out;
  out.Number(result.hits.size());
  for (const SearchHit& hit : result.hits) Write(out, hit);
  Write(out, result.warnings);
  kept_.Keep(context, kSearch, identity, out.Take());
}

std::optional<Answer> KeptResults::FindAnswer(const Context& context, std::string_view identity) const {
  const std::optional<std::string> bytes = kept_.Find(context, kAnswer, identity);
  if (!bytes) return std::nullopt;
  RecordReader in(*bytes);
  Answer answer;
  answer.cached = true;
  answer.text = in.Text();
  answer.reasoning = in.Text();
  answer.mode =
      in.Number() == static_cast<uint64_t>(AnswerMode::kGenerate) ? AnswerMode::kGenerate : AnswerMode::kExtract;
  answer.found = in.Number() == 1;
  for (size_t i = in.Count(); i > 0 && in.ok(); --i) {
    Citation citation;
    citation.marker = static_cast<int>(in.Number());
    citation.node_id = static_cast<NodeId>(in.Number());
    citation.file = in.Text();
    citation.page = ReadPage(in);
    citation.bytes = ReadSpan(in);
    citation.quote = in.Text();
    citation.inferred = in.Number() == 1;
    answer.citations.push_back(std::move(citation));
  }
  if (const std::string_view standalone = in.Text(); !standalone.empty()) answer.standalone_question = standalone;
  answer.warnings = ReadWarnings(in);
  return in.complete() ? std::optional(std::move(answer)) : std::nullopt;
}

void KeptResults::KeepAnswer(const Context& context, std::string_view identity, const Answer& answer) const {
  RecordWriter out;
  out.Text(answer.text).Text(answer.reasoning).Number(static_cast<uint64_t>(answer.mode)).Number(answer.found ? 1 : 0);
  out.Number(answer.citations.size());
  for (const Citation& citation : answer.citations) {
    out.Number(static_cast<uint64_t>(citation.marker)).Number(static_cast<uint64_t>(citation.node_id));
    out.Text(citation.file).Number(citation.page.value_or(0));
    Write(out, citation.bytes);
    out.Text(citation.quote).Number(citation.inferred ? 1 : 0);
  }
  out.Text(answer.standalone_question.value_or(""));
  Write(out, answer.warnings);
  kept_.Keep(context, kAnswer, identity, out.Take());
}

Conversation LoadConversation(const CacheNamespace& sessions, const AskRequest& request) {
  Conversation conversation;
  const std::string identity = RecordWriter().Text(request.owner).Text(request.session).Take();
  const std::optional<std::string> bytes = sessions.Find(request.context, kSession, identity);
  if (!bytes) return conversation;
  RecordReader in(*bytes);
  for (size_t i = in.Count(); i > 0 && in.ok(); --i) {
    Turn turn;
    turn.question = in.Text();
    turn.standalone = in.Text();
    turn.answer = in.Text();
    conversation.turns.push_back(std::move(turn));
  }
  return in.complete() ? conversation : Conversation();
}

void KeepConversation(const CacheNamespace& sessions, const AskRequest& request, const Conversation& conversation) {
  RecordWriter out;
  out.Number(conversation.turns.size());
  for (const Turn& turn : conversation.turns) out.Text(turn.question).Text(turn.standalone).Text(turn.answer);
  sessions.Keep(request.context, kSession, RecordWriter().Text(request.owner).Text(request.session).Take(), out.Take());
}

}  // namespace ragtime
