// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include "base/files.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/version.h"
#include "wire/schema.h"

namespace ragtime::cli {
namespace {

constexpr size_t kQuoteCharacters = 160;

// Streams the answer to stdout in plain text; reasoning goes to stderr, dimmed on a terminal.
class TextStream {
 public:
  bool Show(Channel channel, std::string_view text) {
    if (channel == Channel::kAnswer) {
      EndReasoning();
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
      shown_ = true;
    } else {
      if (!reasoning_ && dim_) std::fputs("\033[2m", stderr);
      reasoning_ = true;
      std::fwrite(text.data(), 1, text.size(), stderr);
      std::fflush(stderr);
    }
    return true;
  }
  void EndReasoning() {
    if (!reasoning_) return;
    std::fputs(dim_ ? "\033[0m\n" : "\n", stderr);
    reasoning_ = false;
  }
  bool shown() const { return shown_; }

 private:
  const bool dim_ = ::isatty(STDERR_FILENO) != 0;
  bool reasoning_ = false;
  bool shown_ = false;
};

// One JSON line for each piece, as the server's events will be.
bool PrintEvent(Channel channel, std::string_view text) {
  Json event(Json::Object{});
  event.Set("schema", kJsonSchema).Set("event", "token");
  event.Set("channel", channel == Channel::kAnswer ? "answer" : "reasoning").Set("text", text);
  std::printf("%s\n", event.Dump().c_str());
  std::fflush(stdout);
  return true;
}

// A program that reads an answer in JSON wants nothing beside it on stdout.
void PrintSources(const Answer& answer, FILE* out) {
  if (!answer.citations.empty()) std::fprintf(out, "\nSources\n");
  for (const Citation& citation : answer.citations) {
    std::fprintf(out, "[%d] %s", citation.marker, citation.file.c_str());
    if (citation.page) std::fprintf(out, ", page %u", *citation.page);
    if (citation.bytes) {
      std::fprintf(out, ", bytes %llu-%llu", static_cast<unsigned long long>(citation.bytes->start),
                   static_cast<unsigned long long>(citation.bytes->end));
    }
    std::fprintf(out, "%s\n    \"%s\"\n", citation.inferred ? " (inferred)" : "",
                 Excerpt(citation.quote, kQuoteCharacters).c_str());
  }
  if (answer.standalone_question) std::fprintf(stderr, "\nsearched for: %s\n", answer.standalone_question->c_str());
  if (answer.similar_question) std::fprintf(stderr, "\nanswered before, as: %s\n", answer.similar_question->c_str());
  std::string line;
  for (const char* stage : {"ttft", "tpot", "total"}) {
    const auto found = answer.timings_ms.find(stage);
    if (found != answer.timings_ms.end()) {
      line += (line.empty() ? "" : ", ") + std::string(stage) + " " + TimeInWords(found->second);
    }
  }
  std::fprintf(stderr, "\n%s", line.c_str());
  // An answer of the documents' own sentences reads and writes none.
  if (answer.prompt_tokens > 0) {
    std::fprintf(stderr, ", %zu prompt tokens (%zu cached), %zu generated", answer.prompt_tokens, answer.cached_tokens,
                 answer.completion_tokens);
  }
  std::fprintf(stderr, "\n");
}

}  // namespace

int RunAsk(const Options& options, const Context& context) {
  const auto config = ResolveKnowledgeBase(options);
  if (!config.ok()) return Fail(options, config.status());
  if (!options.session.empty() && (config->cache.type == "memory" || config->cache.type == "none")) {
    return Fail(options, InvalidArgumentError("a conversation in memory ends with this process",
                                              "set cache: {type: redis, uri: redis://127.0.0.1:6379}, or memcached"));
  }
  std::optional<std::string> schema;
  if (options.format == "json") schema = "";
  if (!options.schema.empty()) {
    if (!schema) {
      return Fail(options, InvalidArgumentError("--schema is of an answer in JSON", "add --format json"));
    }
    constexpr uint64_t kSchemaBytesMax = 1 << 20;
    auto read = ReadFile(options.schema, kSchemaBytesMax);
    if (!read.ok()) return Fail(options, read.status());
    schema = *std::move(read);
    if (schema->find_first_not_of(" \t\r\n") == std::string::npos) {
      return Fail(options, InvalidArgumentError("the file " + options.schema + " is empty", "put a JSON schema there"));
    }
    // What is wrong is said also where no model is asked in the end.
    if (const Status parsed = Json::Parse(*schema).status(); !parsed.ok()) {
      return Fail(options, InvalidArgumentError(options.schema + ": " + parsed.message(), "put a JSON schema there"));
    }
  }
  auto knowledge_base = KnowledgeBase::Open(*config, /*must_exist=*/true);
  if (!knowledge_base.ok()) return Fail(options, knowledge_base.status());

  TextStream stream;
  AskRequest request{.question = options.question,
                     .filter = options.filter,
                     .json_schema = schema,
                     .session = options.session,
                     .context = context};
  const bool streams = options.stream.value_or(!options.json);
  if (options.json && streams) {
    request.on_token = PrintEvent;
  } else if (streams) {
    request.on_token = [&stream](Channel channel, std::string_view text) { return stream.Show(channel, text); };
  }
  const auto answer = (*knowledge_base)->Ask(request);
  stream.EndReasoning();
  if (!answer.ok()) {
    if (stream.shown()) std::printf("\n");
    return Fail(options, answer.status());
  }
  if (options.json && streams) {
    Json event(Json::Object{});
    event.Set("schema", kJsonSchema).Set("event", "answer").Set("answer", AnswerJson(*answer));
    std::printf("%s\n", event.Dump().c_str());
  } else if (options.json) {
    std::printf("%s\n", AnswerJson(*answer).Dump().c_str());
  } else {
    if (schema && !answer->found) {
      std::fprintf(stderr, "%s\n", answer->text.c_str());
    } else {
      if (!stream.shown()) std::printf("%s", answer->text.c_str());
      std::printf("\n");
    }
    PrintSources(*answer, schema ? stderr : stdout);
  }
  PrintWarnings(answer->warnings);
  return 0;
}

}  // namespace ragtime::cli
