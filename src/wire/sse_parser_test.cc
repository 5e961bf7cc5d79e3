// SPDX-License-Identifier: Apache-2.0
//
// Goal: the events of a stream do not depend on where its bytes were cut, and no bytes crash the parser or make it
// hoard.
#include "wire/sse_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace ragtime {
namespace {

using Events = std::vector<std::string>;  // "type|id|data"

std::string Show(const SseEvent& event) { return event.type + "|" + event.id + "|" + event.data; }

Events ParseWhole(std::string_view bytes, bool finish = true) {
  Events events;
  SseParser parser([&](const SseEvent& event) { events.push_back(Show(event)); });
  EXPECT_TRUE(parser.Feed(bytes).ok());
  if (finish) parser.Finish();
  return events;
}

// Line by line on the whole text, as the standard tells it.
Events ParseNaively(std::string text) {
  std::string unix_text;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      unix_text += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else {
      unix_text += text[i];
    }
  }
  if (unix_text.starts_with("\xEF\xBB\xBF")) unix_text.erase(0, 3);
  unix_text += "\n\n";
  Events events;
  SseEvent event;
  std::vector<std::string> data;
  for (size_t start = 0; start < unix_text.size();) {
    const size_t end = unix_text.find('\n', start);
    const std::string line = unix_text.substr(start, end - start);
    start = end + 1;
    if (line.empty()) {
      if (!data.empty()) {
        event.data = data[0];
        for (size_t i = 1; i < data.size(); ++i) event.data += "\n" + data[i];
        if (event.type.empty()) event.type = "message";
        events.push_back(Show(event));
      }
      data.clear();
      event.type.clear();
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == 0) continue;
    const std::string field = line.substr(0, colon);
    std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
    if (!value.empty() && value[0] == ' ') value.erase(0, 1);
    if (field == "data") data.push_back(value);
    if (field == "event") event.type = value;
    if (field == "id" && value.find('\0') == std::string::npos) event.id = value;
  }
  return events;
}

TEST(SseParserTest, ReadsFieldsAndLineEnds) {
  EXPECT_EQ(ParseWhole("data: a\n\ndata:b\r\n\r\ndata:  c\r\r"), (Events{"message||a", "message||b", "message|| c"}));
  EXPECT_EQ(ParseWhole(": ping\n\nevent: done\nid: 7\ndata: x\ndata\ndata: y\n\ndata: z\n\n"),
            (Events{"done|7|x\n\ny", "message|7|z"}));
  EXPECT_EQ(ParseWhole("\xEF\xBB\xBF"
                       "data: a\n\n"),
            (Events{"message||a"}));
  EXPECT_EQ(ParseWhole("event: lonely\n\nretry: 5\nfoo: bar\n\n"), Events{});
  EXPECT_EQ(ParseWhole("data: {\"a\": \"b:c\"}\n\n"), (Events{"message||{\"a\": \"b:c\"}"}));
}

TEST(SseParserTest, DispatchesAtTheEmptyLineAndNotBefore) {
  EXPECT_EQ(ParseWhole("data: a\n", false), Events{});
  EXPECT_EQ(ParseWhole("data: a\n\n", false), (Events{"message||a"}));
  EXPECT_EQ(ParseWhole("data: a\r\r", false), (Events{"message||a"}));
  EXPECT_EQ(ParseWhole("data: [DONE]"), (Events{"message||[DONE]"}));
}

TEST(SseParserTest, RefusesEndlessLinesAndEvents) {
  size_t events = 0;
  SseParser parser([&](const SseEvent&) { ++events; }, 100);
  EXPECT_TRUE(parser.Feed("data: " + std::string(90, 'x')).ok());
  EXPECT_EQ(parser.Feed("xxxxxxxxxxxx").code(), StatusCode::kResourceExhausted);

  SseParser many([&](const SseEvent&) { ++events; }, 100);
  Status status;
  for (int i = 0; i < 50 && status.ok(); ++i) status = many.Feed("data: 123\n");
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(events, 0u);
}

TEST(SseParserTest, AnyChunkingOfAnyBytesGivesTheEventsOfTheWhole) {
  std::mt19937_64 random(3);
  const std::string_view parts[] = {"data", "event", "id", ":", ": ",   " ",     "\n",          "\r",
                                    "\r\n", "\n\n",  "é",  "x", "\xff", "retry", "data: {}\n\n"};
  size_t events_seen = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string bytes;
    for (uint64_t i = random() % 30; i > 0; --i) {
      if (random() % 10 == 0) {
        bytes += static_cast<char>(random());
      } else {
        bytes += parts[random() % std::size(parts)];
      }
    }
    const Events expected = ParseNaively(bytes);
    events_seen += expected.size();
    EXPECT_EQ(ParseWhole(bytes), expected);
    Events chunked;
    SseParser parser([&](const SseEvent& event) { chunked.push_back(Show(event)); });
    for (size_t start = 0; start < bytes.size();) {
      const size_t size = 1 + random() % 5;
      ASSERT_TRUE(parser.Feed(std::string_view(bytes).substr(start, size)).ok());
      start += size;
    }
    parser.Finish();
    EXPECT_EQ(chunked, expected);
  }
  EXPECT_GT(events_seen, 1000u);
}

}  // namespace
}  // namespace ragtime
