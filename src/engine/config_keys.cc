// SPDX-License-Identifier: Apache-2.0
#include "engine/config_keys.h"

#include <algorithm>
#include <array>

#include "base/edit_distance.h"
#include "base/str_cat.h"

namespace ragtime {
namespace {

// In the order of the reference.
std::vector<ConfigKey> MakeKeys() {
  std::vector<ConfigKey> keys;
  AddIngestKeys(keys);
  AddStoreKeys(keys);
  AddSearchKeys(keys);
  AddAnswerKeys(keys);
  AddProcessKeys(keys);
  return keys;
}

// Spellings of LazyLLM's store_conf, and parts of Ragtime's design, that this version does not take.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kRefused = {{
    {"store_conf.segment_store",
     "Ragtime keeps texts and vectors in one store: write type and kwargs directly under store_conf"},
    {"store_conf.vector_store",
     "Ragtime keeps texts and vectors in one store: write type and kwargs directly under store_conf"},
    {"store_conf.indices", "write index_type and metric_type under store_conf.kwargs.index_kwargs"},
    {"store_conf.kwargs.client_kwargs", "the embedded store has no client: remove it"},
}};

}  // namespace

std::span<const ConfigKey> ConfigKeys() {
  static const std::vector<ConfigKey>* const keys = new std::vector<ConfigKey>(MakeKeys());
  return *keys;
}

const ConfigKey* FindConfigKey(std::string_view name) {
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

std::string_view RefusedConfigKey(std::string_view name) {
  for (const auto& [key, remedy] : kRefused) {
    if (name == key || (name.starts_with(key) && name[key.size()] == '.')) return remedy;
  }
  return {};
}

std::string NearestConfigKey(std::string_view name) {
  std::string_view best;
  size_t best_distance = name.size() / 2 + 1;  // Farther than half of its letters is another word, not a slip.
  const auto consider = [&](std::string_view candidate, size_t distance) {
    if (distance >= best_distance) return;
    best_distance = distance;
    best = candidate;
  };
  for (const ConfigKey& key : ConfigKeys()) {
    // "model" alone is as near to "embed.model" as the last part says.
    const std::string_view last = key.name.substr(key.name.rfind('.') + 1);
    consider(key.name, std::min(EditDistance(name, key.name), EditDistance(name, last) + 1));
    const std::string_view section = key.name.substr(0, key.name.find('.'));
    if (section != key.name) consider(section, EditDistance(name, section));
  }
  return std::string(best);
}

std::string ConfigReference() {
  std::string text =
      "# Configuration\n\n"
      "A flag wins over the environment, the environment over the file (`--config ragtime.yaml`), the file over what "
      "the\n"
      "knowledge base recorded, and that over the default. Paths in the file are relative to the file. A key with dots "
      "is\n"
      "nested in YAML: `llm.model` is `llm: {model: ...}`. This page is made from the table in the code\n"
      "(`ragtime init --reference`), and a test holds it there.\n\n"
      "| key | values | default | environment | |\n|---|---|---|---|---|\n";
  for (const ConfigKey& key : ConfigKeys()) {
    std::string values;
    for (const char c : key.values) values += c == '|' ? "\\|" : std::string(1, c);
    text += StrCat("| `", key.name, "` | ", values, " | ", key.fallback, " | `", key.environment, "` | ",
                   key.description, " |\n");
  }
  text += "\n## Refused by name\n\n| key | instead |\n|---|---|\n";
  for (const auto& [key, remedy] : kRefused) text += StrCat("| `", key, "` | ", remedy, " |\n");
  return text;
}

}  // namespace ragtime
