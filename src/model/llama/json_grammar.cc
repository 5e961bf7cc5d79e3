// SPDX-License-Identifier: Apache-2.0
#include "model/llama/json_grammar.h"

#include <llama.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/str_cat.h"
#include "wire/json.h"

namespace ragtime {
namespace {

constexpr size_t kSchemaBytesMax = 256 << 10;
constexpr size_t kRulesMax = 10000;
constexpr size_t kDepthMax = 256;          // Of schemas within schemas, through references too.
constexpr int64_t kRepetitionsMax = 1000;  // llama.cpp writes each out.

// White space is short: a model may not go on with it for ever. Every value takes what stands behind it within what
// holds it, so nothing can follow the whole. Escapes of characters are those that JSON demands.
constexpr std::string_view kBasis = R"GBNF(
ws ::= | " " | "\n" [ \t]{0,20}
char ::= [^"\\\x7F\x00-\x1F] | "\\" ["\\bfnrt/]
string ::= "\"" char* "\""
integer ::= "-"? ("0" | [1-9] [0-9]{0,15})
number ::= integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
value ::= object | array | string | number | boolean | null
member ::= string ws ":" ws value ws
object ::= "{" ws (member ("," ws member)*)? "}"
array ::= "[" ws (value ws ("," ws value ws)*)? "]"
)GBNF";

// The text as a literal of the grammar.
std::string Literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

constexpr std::array<std::string_view, 13> kSayNothing = {
    "title",   "description", "default",     "examples", "$comment",   "$schema",  "$id",
    "$anchor", "$defs",       "definitions", "readOnly", "deprecated", "writeOnly"};
constexpr std::array<std::string_view, 14> kKnown = {"type",      "properties", "required", "additionalProperties",
                                                     "items",     "minItems",   "maxItems", "minLength",
                                                     "maxLength", "enum",       "const",    "anyOf",
                                                     "oneOf",     "$ref"};

class Writer {
 public:
  explicit Writer(const Json& schema) : whole_(schema) {}

  Result<std::string> Write() {
    RAGTIME_ASSIGN_OR_RETURN(const std::string root, RuleOf(whole_, "#"));
    return StrCat("root ::= ", root, "\n", rules_, kBasis);
  }

 private:
  static Status NotDone(std::string_view place, std::string_view what) {
    return InvalidArgumentError(
        StrCat("the JSON schema has ", what, " at ", place, ", which the model in this process cannot be held to"),
        "leave it out, or ask a server (llm: {api: openai}), which is given the schema as it is");
  }
  static Status Wrong(std::string_view place, std::string_view what) {
    return InvalidArgumentError(StrCat("the JSON schema is wrong at ", place, ": ", what), "correct the schema");
  }

  // Adds a rule and returns its name.
  std::string Add(std::string_view body) {
    std::string name = StrCat("r", ++count_);
    rules_ += StrCat(name, " ::= ", body, "\n");
    return name;
  }

  // What stands for the schema in another rule: the name of a rule.
  Result<std::string> RuleOf(const Json& schema, const std::string& place) {
    if (depth_ >= kDepthMax) return Wrong(place, StrCat("it is deeper than ", kDepthMax, " levels"));
    ++depth_;
    Result<std::string> rule = RuleWithin(schema, place);
    --depth_;
    return rule;
  }

  Result<std::string> RuleWithin(const Json& schema, const std::string& place) {
    if (count_ > kRulesMax) return Wrong(place, "it is too large");
    if (schema.is_bool() && schema.AsBool()) return std::string("value");
    if (!schema.is_object()) return Wrong(place, "no object");
    for (const auto& [key, value] : schema.AsObject()) {
      const auto is = [&key = key](std::string_view known) { return known == key; };
      if (std::any_of(kSayNothing.begin(), kSayNothing.end(), is)) continue;
      if (std::none_of(kKnown.begin(), kKnown.end(), is)) return NotDone(place, key);
    }
    if (schema.Has("$ref")) return Reference(schema["$ref"].AsString(), place);
    if (schema.Has("const")) return Add(Literal(schema["const"].Dump()));
    if (schema.Has("enum")) return Enumeration(schema["enum"], place);
    for (const char* key : {"anyOf", "oneOf"}) {
      if (schema.Has(key)) return OneOf(schema, schema[key].AsArray(), StrCat(place, "/", key));
    }
    const Json& type = schema["type"];
    if (type.is_array()) {
      std::vector<std::string> names;
      for (const Json& one : type.AsArray()) {
        RAGTIME_ASSIGN_OR_RETURN(std::string name, OfType(schema, one.AsString(), place));
        names.push_back(std::move(name));
      }
      return Alternatives(names, place);
    }
    if (!type.is_null()) return OfType(schema, type.AsString(), place);
    if (schema.Has("properties") || schema.Has("additionalProperties")) return OfType(schema, "object", place);
    if (schema.Has("items")) return OfType(schema, "array", place);
    return std::string("value");
  }

  Result<std::string> Alternatives(const std::vector<std::string>& names, std::string_view place) {
    if (names.empty()) return Wrong(place, "an empty list");
    std::string body;
    for (const std::string& name : names) body += StrCat(body.empty() ? "" : " | ", name);
    return Add(body);
  }

  Result<std::string> Enumeration(const Json& values, const std::string& place) {
    std::vector<std::string> literals;
    for (const Json& value : values.AsArray()) literals.push_back(Literal(value.Dump()));
    return Alternatives(literals, place + "/enum");
  }

  Result<std::string> OneOf(const Json& schema, const Json::Array& list, const std::string& place) {
    for (const char* beside : {"type", "properties", "items"}) {
      if (schema.Has(beside)) return NotDone(place, StrCat(beside, " beside a choice"));
    }
    std::vector<std::string> names;
    for (size_t i = 0; i < list.size(); ++i) {
      RAGTIME_ASSIGN_OR_RETURN(std::string name, RuleOf(list[i], StrCat(place, "/", i)));
      names.push_back(std::move(name));
    }
    return Alternatives(names, place);
  }

  // A place within the schema, "#/$defs/part". What it names may hold itself.
  Result<std::string> Reference(const std::string& path, const std::string& place) {
    if (const auto known = references_.find(path); known != references_.end()) return known->second;
    if (!path.starts_with('#')) return NotDone(place, StrCat("the reference ", path, " to elsewhere"));
    const Json* schema = &whole_;
    for (size_t start = 2; start < path.size() + 1 && path.size() > 1;) {
      const size_t end = std::min(path.find('/', start), path.size());
      schema = &(*schema)[path.substr(start, end - start)];
      start = end + 1;
    }
    if (!schema->is_object()) return Wrong(place, StrCat("there is no ", path));
    const std::string name = StrCat("ref", references_.size() + 1);
    references_.emplace(path, name);
    RAGTIME_ASSIGN_OR_RETURN(const std::string rule, RuleOf(*schema, path));
    rules_ += StrCat(name, " ::= ", rule, "\n");
    return name;
  }

  Result<std::string> OfType(const Json& schema, const std::string& type, const std::string& place) {
    if (type == "object") return ObjectOf(schema, place);
    if (type == "array") {
      RAGTIME_ASSIGN_OR_RETURN(const std::string item,
                               schema.Has("items") ? RuleOf(schema["items"], place + "/items") : std::string("value"));
      RAGTIME_ASSIGN_OR_RETURN(const Limits limits, LimitsOf(schema, "minItems", "maxItems", place));
      if (limits.most == 0) return Add(R"("[" ws "]")");
      const std::string more =
          StrCat(R"(("," ws )", item, " ws)", Repeat({std::max<int64_t>(limits.least - 1, 0), limits.most - 1}));
      const std::string some = StrCat(item, " ws ", more);
      return Add(StrCat(R"("[" ws )", limits.least > 0 ? some : StrCat("(", some, ")?"), R"( "]")"));
    }
    if (type == "string") {
      RAGTIME_ASSIGN_OR_RETURN(const Limits limits, LimitsOf(schema, "minLength", "maxLength", place));
      if (limits.least == 0 && limits.most == kNoLimit) return std::string("string");
      return Add(StrCat(R"("\"" char)", Repeat(limits), R"( "\"")"));
    }
    if (type == "number" || type == "integer" || type == "boolean" || type == "null") return type;
    return Wrong(place, StrCat("there is no type ", type));
  }

  static constexpr int64_t kNoLimit = -1;
  struct Limits {
    int64_t least = 0;
    int64_t most = kNoLimit;
  };
  static Result<Limits> LimitsOf(const Json& schema, const char* least, const char* most, const std::string& place) {
    const Limits limits{schema[least].AsInt(0), schema[most].AsInt(kNoLimit)};
    if (limits.least > kRepetitionsMax || limits.most > kRepetitionsMax) {
      return NotDone(place, StrCat(limits.least > kRepetitionsMax ? least : most, " of more than ", kRepetitionsMax));
    }
    if (limits.least < 0 || limits.most < kNoLimit || (limits.most != kNoLimit && limits.least > limits.most)) {
      return Wrong(place, StrCat(least, " and ", most, " allow nothing"));
    }
    return limits;
  }
  static std::string Repeat(const Limits& limits) {
    return limits.most < 0 ? StrCat("{", limits.least, ",}") : StrCat("{", limits.least, ",", limits.most, "}");
  }

  Result<std::string> ObjectOf(const Json& schema, const std::string& place) {
    const Json::Object& properties = schema["properties"].AsObject();
    const Json& others = schema["additionalProperties"];
    std::vector<std::string> required;
    for (const Json& name : schema["required"].AsArray()) required.push_back(name.AsString());
    for (const std::string& name : required) {
      if (!schema["properties"].Has(name)) return NotDone(place, StrCat("the required member ", name, " unnamed"));
    }
    if (properties.empty()) {
      if (others.is_bool() && !others.AsBool()) return Add(R"("{" ws "}")");
      if (!others.is_object()) return std::string("object");
      RAGTIME_ASSIGN_OR_RETURN(const std::string value, RuleOf(others, place + "/additionalProperties"));
      const std::string member = Add(StrCat(R"(string ws ":" ws )", value, " ws"));
      return Add(StrCat(R"("{" ws ()", member, R"( ("," ws )", member, R"()*)? "}")"));
    }
    if (others.is_object()) return NotDone(place, "additionalProperties beside properties");
    // From the last member to the first: what may follow where a member stands before it, and where none does.
    std::string after;
    std::string first;
    for (size_t i = properties.size(); i-- > 0;) {
      const auto& [name, value_schema] = properties[i];
      RAGTIME_ASSIGN_OR_RETURN(const std::string value, RuleOf(value_schema, StrCat(place, "/properties/", name)));
      const std::string member = Add(StrCat(Literal(Json(name).Dump()), R"( ws ":" ws )", value, " ws"));
      const bool must = std::find(required.begin(), required.end(), name) != required.end();
      const std::string begun = StrCat(member, " ", after);
      first = must ? Add(begun) : Add(StrCat(begun, " | ", first.empty() ? "\"\"" : first));
      after = Add(StrCat(must ? "" : "(", R"("," ws )", member, must ? " " : ")? ", after));
    }
    return Add(StrCat(R"("{" ws )", first, R"( "}")"));
  }

  const Json& whole_;
  std::string rules_;
  size_t count_ = 0;
  size_t depth_ = 0;
  std::map<std::string, std::string> references_;
};

}  // namespace

Result<std::string> JsonGrammar(std::string_view schema) {
  if (schema.empty()) return StrCat("root ::= object\n", kBasis);
  const Result<Json> json = Json::Parse(schema, kSchemaBytesMax);
  if (!json.ok()) {
    return InvalidArgumentError(StrCat("the JSON schema is no JSON: ", json.status().message()), "correct the schema");
  }
  return Writer(*json).Write();
}

bool LlamaReads(const std::string& grammar) {
  llama_sampler* sampler = llama_sampler_init_grammar(nullptr, grammar.c_str(), "root");
  if (sampler == nullptr) return false;
  llama_sampler_free(sampler);
  return true;
}

}  // namespace ragtime
