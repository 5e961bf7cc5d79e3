// SPDX-License-Identifier: Apache-2.0
#include "catalog/sql/sql_session.h"

#include <dlfcn.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/str_cat.h"
#include "text/utf8.h"

namespace ragtime {
namespace {

std::string Redacted(std::string message, const SqlAddress& address) {
  for (size_t at = 0; !address.password.empty() && (at = message.find(address.password)) != std::string::npos;) {
    message.replace(at, address.password.size(), "...");
  }
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  while (message.ends_with(' ') || message.ends_with('.')) message.pop_back();
  return message;
}

bool Holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// What the other writer's transaction may have finished by the next attempt.
bool IsPassing(std::string_view message) {
  return Holds(message, "eadlock") || Holds(message, "could not serialize") || Holds(message, "ock wait timeout");
}

bool IsRefusal(std::string_view message) {
  return Holds(message, "denied") || Holds(message, "authentication failed") || Holds(message, "must be owner") ||
         Holds(message, "no password supplied");
}

// Ends a connection whose server says nothing for too long: libpq waits without end. The client of MySQL has time
// limits of its own.
class SilenceWatch {
 public:
  SilenceWatch(int socket, int timeout_s) {
    if (socket < 0) return;
    thread_ = std::jthread([this, socket, timeout_s](const std::stop_token& stop) {
      std::unique_lock lock(mutex_);
      const bool done = ended_.wait_for(lock, stop, std::chrono::seconds(timeout_s), [this] { return done_; });
      if (!done && !stop.stop_requested()) ::shutdown(socket, SHUT_RDWR);
    });
  }
  ~SilenceWatch() {
    const std::lock_guard lock(mutex_);
    done_ = true;
    thread_.request_stop();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any ended_;
  bool done_ = false;
  std::jthread thread_;  // Last: it ends before what it uses.
};

// libpq prints what the server says beside its answers, "terminating connection", and a library must not print. SOCI
// has loaded it by now, and nothing else here needs it.
// Returns its socket, or -1.
int Silence(soci::session& session) {
  using Processor = void (*)(void*, const char*);
  using SetProcessor = Processor (*)(PGconn*, Processor, void*);
  void* const library = ::dlopen("libpq.so.5", RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return -1;
  const auto set = reinterpret_cast<SetProcessor>(::dlsym(library, "PQsetNoticeProcessor"));
  const auto* backend = static_cast<soci::postgresql_session_backend*>(session.get_backend());
  if (set != nullptr) set(backend->conn_, [](void*, const char*) {}, nullptr);
  const auto socket_of = reinterpret_cast<int (*)(const PGconn*)>(::dlsym(library, "PQsocket"));
  const int socket = socket_of == nullptr ? -1 : socket_of(backend->conn_);
  ::dlclose(library);  // It stays loaded for SOCI.
  return socket;
}

std::string CellOf(const soci::row& row, size_t column) {
  if (row.get_indicator(column) == soci::i_null) return {};
  switch (row.get_properties(column).get_data_type()) {
    case soci::dt_integer:
      return std::to_string(row.get<int>(column));
    case soci::dt_long_long:
      return std::to_string(row.get<long long>(column));
    case soci::dt_unsigned_long_long:
      return std::to_string(row.get<unsigned long long>(column));
    default:
      return row.get<std::string>(column);
  }
}

}  // namespace

std::string EncodeSqlText(std::string_view bytes) {
  std::string text;
  size_t spaces = bytes.size();
  while (spaces > 0 && bytes[spaces - 1] == ' ') --spaces;
  const auto escape = [&text](char c) {
    std::array<char, 8> digits{};
    std::snprintf(digits.data(), digits.size(), "\\x%02X", static_cast<unsigned char>(c));
    text += digits.data();
  };
  for (size_t done = 0; done < bytes.size();) {
    const std::string_view rest = bytes.substr(done);
    const size_t valid = std::min(FindInvalidUtf8(rest), rest.size());
    for (size_t i = 0; i < valid; ++i) {
      const char c = rest[i];
      if (c == '\0' || c == '\\' || done + i >= spaces) {
        escape(c);
      } else {
        text += c;
      }
    }
    done += valid;
    if (done < bytes.size()) escape(bytes[done++]);
  }
  return text;
}

std::string DecodeSqlText(std::string_view text) {
  std::string bytes;
  const auto digit = [](char c) { return c >= 'A' ? c - 'A' + 10 : c - '0'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] == 'x') {
      bytes += static_cast<char>(digit(text[i + 2]) * 16 + digit(text[i + 3]));
      i += 3;
    } else {
      bytes += text[i];
    }
  }
  return bytes;
}

struct SqlSession::Connection {
  soci::session session;
  int socket = -1;  // To be watched.
};

SqlSession::SqlSession(const SqlAddress& address, std::unique_ptr<Connection> connection)
    : address_(address), connection_(std::move(connection)) {}

SqlSession::~SqlSession() = default;

template <typename Work>
Status SqlSession::Guard(std::string_view operation, Work work) {
  std::string message;
  bool lost = false;
  try {
    const SilenceWatch watch(connection_->socket, address_.silence_timeout_s);
    work(connection_->session);
    return Status();
  } catch (const soci::soci_error& error) {
    message = error.get_error_message();  // Without the statement and its values.
    lost = error.get_error_category() == soci::soci_error::connection_error;
  } catch (const std::exception& error) {
    message = error.what();
  }
  try {
    lost = lost || !connection_->session.is_connected();
  } catch (const std::exception&) {
    lost = true;
  }
  broken_ = broken_ || lost;
  const std::string what = StrCat(address_.name(), ": ", operation, ": ", Redacted(message, address_));
  if (lost) return UnavailableError(what, "check that the database server is up, and catalog.uri");
  if (IsPassing(message)) return Status(StatusCode::kAborted, what, "try again");
  if (IsRefusal(message)) return PermissionDeniedError(what, "give the user of catalog.uri the right to do this");
  return InternalError(what, "see the log of the database server");
}

Result<std::unique_ptr<SqlSession>> SqlSession::Connect(const SqlAddress& address) {
  std::unique_ptr<SqlSession> session(new SqlSession(address, std::make_unique<Connection>()));
  const bool postgresql = address.dialect == SqlDialect::kPostgresql;
  try {
    session->connection_->session.open(postgresql ? "postgresql" : "mysql", address.ConnectString());
  } catch (const std::exception& error) {
    const std::string message = Redacted(error.what(), address);
    const std::string what = StrCat(address.name(), ": connecting: ", message);
    if (Holds(message, "shared library")) {
      return UnavailableError(what, postgresql ? "install libsoci-postgresql4.0" : "install libsoci-mysql4.0");
    }
    if (IsRefusal(message)) return PermissionDeniedError(what, "check user and password in catalog.uri");
    return UnavailableError(what, "check that the database server is up, and catalog.uri");
  }
  if (postgresql) session->connection_->socket = Silence(session->connection_->session);
  const std::vector<std::string> settings =
      postgresql ? std::vector<std::string>{"SET synchronous_commit = on", "SET standard_conforming_strings = on"}
                 : std::vector<std::string>{"SET SESSION sql_mode = 'STRICT_ALL_TABLES'",
                                            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"};
  for (const std::string& sql : settings) RAGTIME_RETURN_IF_ERROR(session->Execute("connecting", sql).status());
  return session;
}

Result<uint64_t> SqlSession::Execute(std::string_view operation, const std::string& sql,
                                     std::span<const std::string> texts) {
  std::vector<std::string> encoded;
  for (const std::string& text : texts) encoded.push_back(EncodeSqlText(text));
  uint64_t rows = 0;
  RAGTIME_RETURN_IF_ERROR(Guard(operation, [&](soci::session& session) {
    if (encoded.empty() && !sql.starts_with("UPDATE")) {
      session.once << sql;
      return;
    }
    auto prepared = (session.prepare << sql);
    for (size_t i = 0; i < encoded.size(); ++i) prepared, soci::use(encoded[i], "t" + std::to_string(i));
    soci::statement statement(prepared);
    statement.execute(true);
    rows = static_cast<uint64_t>(std::max<long long>(statement.get_affected_rows(), 0));
  }));
  return rows;
}

Result<std::vector<std::vector<std::string>>> SqlSession::Query(std::string_view operation, const std::string& sql,
                                                                std::span<const std::string> texts) {
  std::vector<std::string> encoded;
  for (const std::string& text : texts) encoded.push_back(EncodeSqlText(text));
  std::vector<std::vector<std::string>> rows;
  RAGTIME_RETURN_IF_ERROR(Guard(operation, [&](soci::session& session) {
    auto prepared = (session.prepare << sql);
    for (size_t i = 0; i < encoded.size(); ++i) prepared, soci::use(encoded[i], "t" + std::to_string(i));
    const soci::rowset<soci::row> found(prepared);
    for (const soci::row& row : found) {
      std::vector<std::string>& cells = rows.emplace_back();
      for (size_t i = 0; i < row.size(); ++i) cells.push_back(DecodeSqlText(CellOf(row, i)));
    }
  }));
  return rows;
}

}  // namespace ragtime
