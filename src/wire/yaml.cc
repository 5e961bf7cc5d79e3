// SPDX-License-Identifier: Apache-2.0
#include "wire/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "base/str_cat.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

constexpr size_t kDepthMax = 64;
// What all aliases together may be replaced by, in values and bytes of text: nine lines can stand for a billion values.
constexpr size_t kAliasedMax = size_t{1} << 18;
constexpr char kRemedy[] = "mend that line";

Status ErrorAt(int line, std::string_view what, std::string remedy = kRemedy) {
  return InvalidArgumentError(StrCat("the YAML is wrong in line ", line, ": ", what), std::move(remedy));
}

size_t CostOf(const Yaml& value) {
  size_t cost = 1 + value.text.size();
  for (const Yaml& item : value.items) cost += CostOf(item);
  for (const Yaml::Member& member : value.members) cost += 1 + member.key.size() + CostOf(member.value);
  return cost;
}

size_t DepthOf(const Yaml& value) {
  size_t below = 0;
  for (const Yaml& item : value.items) below = std::max(below, DepthOf(item));
  for (const Yaml::Member& member : value.members) below = std::max(below, DepthOf(member.value));
  return 1 + below;
}

// Leaves the parser from within one of its callbacks.
struct Stop : std::exception {
  explicit Stop(Status s) : status(std::move(s)) {}
  Status status;
};

// Builds the tree from the parser's events. The parser's own tree is passed over: aliases make cycles in it.
class TreeBuilder : public YAML::EventHandler {
 public:
  Yaml Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Add(Value(mark, Yaml::Kind::kNull), anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string& text) override {
    Yaml value = Value(mark, Yaml::Kind::kScalar);
    value.text = text;
    Add(std::move(value), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) throw Stop(ErrorAt(mark.line + 1, "an alias stands within what it names"));
    aliased_ += found->second.cost;
    if (aliased_ > kAliasedMax) {
      throw Stop(ErrorAt(mark.line + 1, "the aliases stand for too much", "write the values without aliases"));
    }
    if (open_.size() + found->second.depth > kDepthMax) throw Stop(TooDeep(mark.line + 1));
    Yaml value = found->second.value;
    value.line = mark.line + 1;
    Add(std::move(value), YAML::NullAnchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Value(mark, Yaml::Kind::kList), anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Value(mark, Yaml::Kind::kMap), anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  struct OpenValue {
    Yaml value;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::optional<std::pair<std::string, int>> key;  // Of a map: the key that waits for its value, and its line.
    std::set<std::string> keys;
  };
  struct Anchored {
    Yaml value;
    size_t cost = 0;
    size_t depth = 0;
  };

  static Yaml Value(const YAML::Mark& mark, Yaml::Kind kind) {
    Yaml value;
    value.kind = kind;
    value.line = mark.line + 1;
    return value;
  }
  static Status TooDeep(int line) {
    return ErrorAt(line, StrCat("lists and maps are nested deeper than ", kDepthMax, " levels"), "make it flatter");
  }

  void Open(Yaml value, YAML::anchor_t anchor) {
    if (open_.size() >= kDepthMax) throw Stop(TooDeep(value.line));
    open_.push_back({std::move(value), anchor, std::nullopt, {}});
  }
  void Close() {
    OpenValue closed = std::move(open_.back());
    open_.pop_back();
    Add(std::move(closed.value), closed.anchor);
  }
  void Add(Yaml value, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      // What is kept for aliases counts as well: anchors within anchors would be kept once for each level.
      Anchored kept{value, CostOf(value), DepthOf(value)};
      anchored_cost_ += kept.cost;
      if (anchored_cost_ > kAliasedMax) {
        throw Stop(ErrorAt(value.line, "the anchors name too much", "write the values without anchors"));
      }
      anchored_[anchor] = std::move(kept);
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    OpenValue& parent = open_.back();
    if (parent.value.is_list()) {
      parent.value.items.push_back(std::move(value));
    } else if (parent.key) {
      parent.value.members.push_back({std::move(parent.key->first), std::move(value), parent.key->second});
      parent.key.reset();
    } else {
      AddKey(std::move(value), parent);
    }
  }
  static void AddKey(Yaml key, OpenValue& map) {
    if (!key.is_scalar()) throw Stop(ErrorAt(key.line, "a key is not a word", "write key: value"));
    if (!map.keys.insert(key.text).second) {
      throw Stop(ErrorAt(key.line, StrCat("the key ", key.text.substr(0, 100), " stands twice"), "remove one of them"));
    }
    map.key = {std::move(key.text), key.line};
  }

  Yaml root_;
  std::vector<OpenValue> open_;  // From the root to the innermost.
  std::map<YAML::anchor_t, Anchored> anchored_;
  size_t anchored_cost_ = 0;
  size_t aliased_ = 0;
};

}  // namespace

const Yaml* Yaml::Find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Json Yaml::ToJson() const {
  switch (kind) {
    case Kind::kNull:
      return {};
    case Kind::kScalar:
      return text;
    case Kind::kList: {
      Json::Array array;
      for (const Yaml& item : items) array.push_back(item.ToJson());
      return array;
    }
    case Kind::kMap: {
      Json::Object object;
      for (const Member& member : members) object.emplace_back(member.key, member.value.ToJson());
      return object;
    }
  }
  return {};
}

Result<Yaml> ParseYaml(std::string_view text, size_t size_bytes_max) {
  if (text.size() > size_bytes_max) {
    return InvalidArgumentError(StrCat("the YAML is larger than ", size_bytes_max, " bytes: ", text.size()),
                                "make it shorter");
  }
  if (const size_t invalid = FindInvalidUtf8(text); invalid != std::string::npos) {
    return InvalidArgumentError(StrCat("the YAML is not UTF-8 at byte ", invalid), "save it as UTF-8");
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder)) return Yaml();
    return builder.Take();
  } catch (const Stop& stop) {
    return stop.status;
  } catch (const YAML::Exception& error) {
    return ErrorAt(std::max(error.mark.line, 0) + 1, StrCat("column ", error.mark.column + 1, ": ", error.msg));
  } catch (const std::exception& error) {
    return ResourceExhaustedError(StrCat("the YAML cannot be read: ", error.what()), "make it shorter");
  }
}

}  // namespace ragtime
