// SPDX-License-Identifier: Apache-2.0
//
// Status says whether a call worked and, if not, what failed and what to do about it; Result<T> is a value or a Status.
//
// Codes have gRPC's names and numbers. A message is one sentence that names the thing and ends with the values; a
// remedy is one sentence that tells the user what to do, or empty. Errors cross every folder as Status: no exception
// does.
#ifndef RAGTIME_STATUS_H_
#define RAGTIME_STATUS_H_

#include <cassert>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ragtime {

enum class StatusCode {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
};

// The code as users see it in JSON: "invalid_argument", "data_loss".
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, std::string message, std::string remedy = {});

  bool ok() const { return state_ == nullptr; }
  StatusCode code() const { return state_ ? state_->code : StatusCode::kOk; }
  const std::string& message() const;
  const std::string& remedy() const;

  // Puts "`what`: " in front of the message. OK stays OK.
  Status Annotate(std::string_view what) const;
  // Sets the remedy where there is none yet. OK stays OK.
  Status WithRemedy(std::string remedy) const;
  // "data_loss: message (remedy)", for logs and tests.
  std::string ToString() const;

  friend bool operator==(const Status& a, const Status& b) {
    return a.code() == b.code() && a.message() == b.message() && a.remedy() == b.remedy();
  }

 private:
  struct State {
    StatusCode code;
    std::string message;
    std::string remedy;
  };
  std::shared_ptr<const State> state_;  // Null means OK.
};

Status CancelledError(std::string message, std::string remedy = {});
Status InvalidArgumentError(std::string message, std::string remedy = {});
Status DeadlineExceededError(std::string message, std::string remedy = {});
Status NotFoundError(std::string message, std::string remedy = {});
Status AlreadyExistsError(std::string message, std::string remedy = {});
Status PermissionDeniedError(std::string message, std::string remedy = {});
Status ResourceExhaustedError(std::string message, std::string remedy = {});
Status FailedPreconditionError(std::string message, std::string remedy = {});
Status UnimplementedError(std::string message, std::string remedy = {});
Status InternalError(std::string message, std::string remedy = {});
Status UnavailableError(std::string message, std::string remedy = {});
Status DataLossError(std::string message, std::string remedy = {});
// The code that fits `error_number` (ENOENT: kNotFound, ENOSPC: kResourceExhausted, EACCES: kPermissionDenied, ...),
// with the system's own words and a remedy.
Status ErrnoError(int error_number, std::string_view what);

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(Status status) : status_(std::move(status)) { assert(!status_.ok()); }
  Result(T value) : value_(std::move(value)) {}
  template <typename U>
    requires std::is_convertible_v<U&&, T> && (!std::is_same_v<std::remove_cvref_t<U>, Result>) &&
             (!std::is_same_v<std::remove_cvref_t<U>, Status>) && (!std::is_same_v<std::remove_cvref_t<U>, T>)
  Result(U&& value) : value_(std::forward<U>(value)) {}

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  // Require ok().
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace ragtime

#define RAGTIME_CONCAT_INNER_(a, b) a##b
#define RAGTIME_CONCAT_(a, b) RAGTIME_CONCAT_INNER_(a, b)

#define RAGTIME_RETURN_IF_ERROR(expression)                                                              \
  do {                                                                                                   \
    if (::ragtime::Status ragtime_status_ = (expression); !ragtime_status_.ok()) return ragtime_status_; \
  } while (false)

// RAGTIME_ASSIGN_OR_RETURN(auto file, Open(path)); returns the Status from the enclosing function on failure.
#define RAGTIME_ASSIGN_OR_RETURN(declaration, expression)                                                           \
  auto RAGTIME_CONCAT_(ragtime_result_, __LINE__) = (expression);                                                   \
  if (!RAGTIME_CONCAT_(ragtime_result_, __LINE__).ok()) return RAGTIME_CONCAT_(ragtime_result_, __LINE__).status(); \
  declaration = *std::move(RAGTIME_CONCAT_(ragtime_result_, __LINE__))

#endif  // RAGTIME_STATUS_H_
