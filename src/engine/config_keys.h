// SPDX-License-Identifier: Apache-2.0
//
// The one table of configuration keys: it parses ragtime.yaml and the environment, and it makes
// docs/reference/config.md.
#ifndef RAGTIME_ENGINE_CONFIG_KEYS_H_
#define RAGTIME_ENGINE_CONFIG_KEYS_H_

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/config.h"
#include "ragtime/status.h"

namespace ragtime {

struct ConfigKey {
  std::string_view name;         // As in the file, with dots: "store_conf.kwargs.uri".
  std::string_view environment;  // The variable that overrides it.
  std::string_view values;       // What may stand there: "auto | bf16 | f32 | int8", "a number of tokens".
  std::string_view fallback;     // The default as the reference prints it.
  std::string_view description;
  // Sets it from text. Relative paths are taken from `base`. A list comes as "a, b", a map as "k=a,b; l=c".
  std::function<Status(Config& config, const std::string& value, const std::filesystem::path& base)> set;
};

// The parts of the table, config_keys_*.cc.
void AddIngestKeys(std::vector<ConfigKey>& keys);
void AddStoreKeys(std::vector<ConfigKey>& keys);
void AddSearchKeys(std::vector<ConfigKey>& keys);
void AddAnswerKeys(std::vector<ConfigKey>& keys);
void AddProcessKeys(std::vector<ConfigKey>& keys);

std::span<const ConfigKey> ConfigKeys();
const ConfigKey* FindConfigKey(std::string_view name);
// What a key that is known elsewhere, but not taken here, gets: the reason and the remedy. Empty: the key is plainly
// unknown.
std::string_view RefusedConfigKey(std::string_view name);
// The known key nearest to a misspelled one by edit distance, or "".
std::string NearestConfigKey(std::string_view name);

}  // namespace ragtime

#endif  // RAGTIME_ENGINE_CONFIG_KEYS_H_
