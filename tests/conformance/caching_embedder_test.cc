// SPDX-License-Identifier: Apache-2.0
//
// Goal: a vector from the cache is the model's own, of that model, kind and text; a cache that holds rubbish is a miss.
#include "cache/caching_embedder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cache/memory/memory_cache.h"
#include "cache/record.h"
#include "model/scripted/scripted_embedder.h"
#include "testing/status_matchers.h"

namespace ragtime {
namespace {

TEST(CachingEmbedder, AsksTheModelForWhatIsMissingOnly) {
  auto model = std::make_shared<ScriptedEmbedder>();
  auto cache = std::make_shared<MemoryCache>();
  CachingEmbedder embedder(model, cache, 0);
  const std::vector<std::string> first = {"one text", "another text"};
  const std::vector<std::string> second = {"a third", "another text", "one text", "a third"};
  ScriptedEmbedder plain;
  EXPECT_EQ(Value(embedder.Embed({}, first, TextKind::kPassage)), Value(plain.Embed({}, first, TextKind::kPassage)));
  EXPECT_EQ(model->texts_embedded(), 2u);
  EXPECT_EQ(Value(embedder.Embed({}, second, TextKind::kPassage)), Value(plain.Embed({}, second, TextKind::kPassage)));
  EXPECT_EQ(model->texts_embedded(), 4u);  // "a third" stands there twice.
  EXPECT_EQ(Value(embedder.Embed({}, second, TextKind::kPassage)), Value(plain.Embed({}, second, TextKind::kPassage)));
  EXPECT_EQ(model->texts_embedded(), 4u);
  // A question is another text, and another model's vectors are others.
  EXPECT_OK(embedder.Embed({}, first, TextKind::kQuery));
  EXPECT_EQ(model->texts_embedded(), 6u);
  auto other = std::make_shared<ScriptedEmbedder>(ScriptedEmbedderOptions{.dimension = 64});
  CachingEmbedder of_other(other, cache, 0);
  EXPECT_EQ(Value(of_other.Embed({}, first, TextKind::kPassage)).size(), 128u);
  EXPECT_EQ(other->texts_embedded(), 2u);
}

TEST(CachingEmbedder, WhatTheCacheHoldsIsChecked) {
  auto model = std::make_shared<ScriptedEmbedder>();
  auto cache = std::make_shared<MemoryCache>();
  const CacheNamespace vectors(cache, model->info().fingerprint, "vector", 0);
  const size_t bytes = model->info().dimension * sizeof(float);
  const std::vector<std::string> texts = {"short", "not a number", "another text's", "cut off"};
  const std::string wrong[] = {"short", std::string(bytes, '\xff')};
  for (size_t i = 0; i < 2; ++i) vectors.Keep({}, "passage", texts[i], wrong[i]);
  ASSERT_OK(cache->Put({}, vectors.Key("passage", texts[2]),
                       RecordWriter().Text("some other text").Text(std::string(bytes, '\0')).Take(), 0));
  ASSERT_OK(cache->Put({}, vectors.Key("passage", texts[3]), RecordWriter().Number(1000).Take(), 0));
  CachingEmbedder embedder(model, cache, 0);
  EXPECT_EQ(Value(embedder.Embed({}, texts, TextKind::kPassage)),
            Value(ScriptedEmbedder().Embed({}, texts, TextKind::kPassage)));
  EXPECT_EQ(model->texts_embedded(), 4u);
}

TEST(CachingEmbedder, GivesTheModelsErrors) {
  auto model = std::make_shared<ScriptedEmbedder>(
      ScriptedEmbedderOptions{.fail = [](std::span<const std::string>) { return UnavailableError("no model"); }});
  CachingEmbedder embedder(model, std::make_shared<MemoryCache>(), 0);
  EXPECT_THAT(embedder.Embed({}, std::vector<std::string>{"text"}, TextKind::kQuery),
              StatusIs(StatusCode::kUnavailable));
}

}  // namespace
}  // namespace ragtime
