// SPDX-License-Identifier: Apache-2.0
#include "cli/wrong_use.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/edit_distance.h"
#include "base/str_cat.h"

namespace ragtime::cli {
namespace {

// That of `names` which is spelled most like `name`; empty where none is alike.
std::string NearestName(std::string_view name, const std::vector<std::string>& names) {
  std::string nearest;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;  // Two letters swapped are a distance of 2.
  for (const std::string& candidate : names) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::vector<std::string> OptionNames(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

}  // namespace

Status WrongUse(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string called = app.get_name();
  while (command->remaining().empty() && !command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    called += " " + command->get_name();
  }
  const std::string help = StrCat("see ", called, " --help");
  const std::vector<std::string> left = command->remaining();
  const bool has_commands = !command->get_subcommands(nullptr).empty();
  if (const std::string what = error.what(); left.empty() && error.get_name() == "ArgumentMismatch") {
    const bool twice = what.find("At Most") != std::string::npos;
    return InvalidArgumentError(StrCat(what.substr(0, what.find(':')), twice ? " is given twice" : " needs a value"),
                                twice ? "leave one of them out" : help);
  }
  if (std::string what = error.what(); error.get_name() == "ExcludesError") {
    const std::string excludes = " excludes ";
    return InvalidArgumentError(
        StrCat(what.replace(what.find(excludes), excludes.size(), " and "), " exclude each other"),
        "leave one of them out");
  }
  if (left.empty()) {
    return InvalidArgumentError(has_commands ? StrCat(called, " needs a command") : std::string(error.what()), help);
  }
  const std::string& first = left.front();
  const bool is_option = first.starts_with('-');
  if (is_option && !command->get_subcommands().empty()) {
    return InvalidArgumentError(StrCat("the option ", first, " stands before the command"), "write it behind");
  }
  if (!is_option && !has_commands) {
    return InvalidArgumentError(StrCat("\"", first, "\" is one argument too many for ", called),
                                StrCat("put quotes around what has spaces, or ", help));
  }
  const std::string nearest =
      NearestName(first.substr(0, first.find('=')), is_option ? OptionNames(*command) : CommandNames(*command));
  return InvalidArgumentError(StrCat(called, " has no ", is_option ? "option " : "command ", first),
                              nearest.empty() ? help : StrCat("did you mean ", nearest, "? Or ", help));
}

}  // namespace ragtime::cli
