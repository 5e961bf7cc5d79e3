// SPDX-License-Identifier: Apache-2.0
#include "catalog/sql/sql_address.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/str_cat.h"

namespace ragtime {
namespace {

constexpr std::string_view kForm = "write postgresql://user:password@host:port/database or mysql://...";
// A server that is not there is found out soon; one that stalls, before long.
constexpr std::string_view kConnectTimeoutS = "5";

Status Refuse(std::string_view why) {
  return InvalidArgumentError(StrCat("the address of the catalog's database ", why), std::string(kForm));
}

Result<std::string> PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned byte = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2 || byte == 0) {
      return Refuse("holds a % that is not followed by two hex digits");
    }
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

// Both clients read 'value' with \ before ' and \.
std::string Quoted(std::string_view value) {
  std::string quoted = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

// Splits at the first separator; the second part is "" where there is none.
std::pair<std::string_view, std::string_view> Split(std::string_view text, char separator) {
  const size_t at = text.find(separator);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

Status ReadParameters(std::string_view text, SqlAddress& address) {
  constexpr std::array<std::string_view, 4> kMysql = {"socket", "sslca", "sslcert", "sslkey"};
  while (!text.empty()) {
    const auto [pair, rest] = Split(text, '&');
    const auto [key, value] = Split(pair, '=');
    if (key == "silence_timeout_s") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), address.silence_timeout_s);
      if (error != std::errc() || end != value.data() + value.size() || address.silence_timeout_s < 1 ||
          address.silence_timeout_s > 86400) {
        return Refuse("has a silence_timeout_s that is no number of seconds from 1 to 86400");
      }
      text = rest;
      continue;
    }
    const bool word = std::all_of(key.begin(), key.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
    const bool known = address.dialect == SqlDialect::kPostgresql
                           ? word && !key.empty()
                           : std::find(kMysql.begin(), kMysql.end(), key) != kMysql.end();
    if (!known) {
      return Refuse(StrCat("has the parameter ", word ? key.substr(0, 40) : "\"...\"", ", which is not known"))
          .WithRemedy("of mysql socket, sslca, sslcert and sslkey are; of postgresql those of libpq");
    }
    RAGTIME_ASSIGN_OR_RETURN(address.parameters[std::string(key)], PercentDecoded(value));
    text = rest;
  }
  return Status();
}

}  // namespace

Result<SqlAddress> SqlAddress::Parse(std::string_view uri) {
  SqlAddress address;
  const size_t scheme_end = uri.find("://");
  const std::string_view scheme = uri.substr(0, scheme_end);
  if (scheme_end == std::string_view::npos) return Refuse("has no scheme");
  if (scheme == "mysql" || scheme == "mariadb") {
    address.dialect = SqlDialect::kMysql;
  } else if (scheme != "postgresql" && scheme != "postgres") {
    return Refuse(StrCat("has the scheme ", scheme.substr(0, 40)));
  }
  const auto [before, parameters] = Split(uri.substr(scheme_end + 3), '?');
  const auto [authority, database] = Split(before, '/');
  const size_t at = authority.rfind('@');
  const std::string_view place = at == std::string_view::npos ? authority : authority.substr(at + 1);
  if (at != std::string_view::npos) {
    const auto [user, password] = Split(authority.substr(0, at), ':');
    RAGTIME_ASSIGN_OR_RETURN(address.user, PercentDecoded(user));
    RAGTIME_ASSIGN_OR_RETURN(address.password, PercentDecoded(password));
  }
  // An IPv6 address stands in brackets.
  const size_t bracket = place.find(']');
  if (place.starts_with('[') && bracket != std::string_view::npos) {
    address.host = place.substr(1, bracket - 1);
    address.port = Split(place.substr(bracket), ':').second;
  } else {
    const auto [host, port] = Split(place, ':');
    RAGTIME_ASSIGN_OR_RETURN(address.host, PercentDecoded(host));
    address.port = port;
  }
  if (!std::all_of(address.port.begin(), address.port.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return Refuse("has a port that is no number");
  }
  RAGTIME_ASSIGN_OR_RETURN(address.database, PercentDecoded(database));
  if (address.database.empty()) return Refuse("names no database");
  RAGTIME_RETURN_IF_ERROR(ReadParameters(parameters, address));
  return address;
}

std::string SqlAddress::name() const {
  const auto parameter = [this](const char* key) {
    const auto found = parameters.find(key);
    return found == parameters.end() ? std::string() : found->second;
  };
  std::string place = host;
  if (place.empty()) place = parameter(dialect == SqlDialect::kPostgresql ? "host" : "socket");
  return StrCat(dialect == SqlDialect::kPostgresql ? "postgresql" : "mysql", "://", place, port.empty() ? "" : ":",
                port, "/", database);
}

std::string SqlAddress::ConnectString() const {
  std::string text;
  const auto add = [&text](std::string_view key, std::string_view value) {
    if (!value.empty()) text += StrCat(text.empty() ? "" : " ", key, "=", Quoted(value));
  };
  add("user", user);
  add("password", password);
  add("host", host);
  add("port", port);
  add(dialect == SqlDialect::kPostgresql ? "dbname" : "db", database);
  for (const auto& [key, value] : parameters) {
    add(dialect == SqlDialect::kMysql && key == "socket" ? "unix_socket" : key, value);
  }
  if (!parameters.contains("connect_timeout")) add("connect_timeout", kConnectTimeoutS);
  if (dialect == SqlDialect::kPostgresql) {
    add("client_encoding", "UTF8");
    if (!parameters.contains("application_name")) add("application_name", "ragtime");
  } else {
    add("charset", "utf8mb4");
    add("read_timeout", std::to_string(silence_timeout_s));
    add("write_timeout", std::to_string(silence_timeout_s));
  }
  return text;
}

}  // namespace ragtime
