// SPDX-License-Identifier: Apache-2.0
#include "ragtime/status.h"

#include <cerrno>
#include <cstring>

#include "base/str_cat.h"
#include "ragtime/context.h"

namespace ragtime {
namespace {

const std::string& EmptyString() {
  static const std::string* const empty = new std::string;
  return *empty;
}

}  // namespace

std::string_view StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "ok";
    case StatusCode::kCancelled:
      return "cancelled";
    case StatusCode::kUnknown:
      return "unknown";
    case StatusCode::kInvalidArgument:
      return "invalid_argument";
    case StatusCode::kDeadlineExceeded:
      return "deadline_exceeded";
    case StatusCode::kNotFound:
      return "not_found";
    case StatusCode::kAlreadyExists:
      return "already_exists";
    case StatusCode::kPermissionDenied:
      return "permission_denied";
    case StatusCode::kResourceExhausted:
      return "resource_exhausted";
    case StatusCode::kFailedPrecondition:
      return "failed_precondition";
    case StatusCode::kAborted:
      return "aborted";
    case StatusCode::kOutOfRange:
      return "out_of_range";
    case StatusCode::kUnimplemented:
      return "unimplemented";
    case StatusCode::kInternal:
      return "internal";
    case StatusCode::kUnavailable:
      return "unavailable";
    case StatusCode::kDataLoss:
      return "data_loss";
  }
  return "unknown";
}

Status::Status(StatusCode code, std::string message, std::string remedy)
    : state_(code == StatusCode::kOk
                 ? nullptr
                 : std::make_shared<const State>(State{code, std::move(message), std::move(remedy)})) {}

const std::string& Status::message() const { return state_ ? state_->message : EmptyString(); }
const std::string& Status::remedy() const { return state_ ? state_->remedy : EmptyString(); }

Status Status::Annotate(std::string_view what) const {
  if (ok()) return *this;
  return Status(code(), StrCat(what, ": ", message()), remedy());
}

Status Status::WithRemedy(std::string remedy) const {
  if (ok() || !state_->remedy.empty()) return *this;
  return Status(code(), message(), std::move(remedy));
}

std::string Status::ToString() const {
  if (ok()) return "ok";
  std::string text = StrCat(StatusCodeName(code()), ": ", message());
  if (!remedy().empty()) text += StrCat(" (", remedy(), ")");
  return text;
}

#define RAGTIME_DEFINE_ERROR_(Name, kCode)                                   \
  Status Name(std::string message, std::string remedy) {                     \
    return Status(StatusCode::kCode, std::move(message), std::move(remedy)); \
  }
RAGTIME_DEFINE_ERROR_(CancelledError, kCancelled)
RAGTIME_DEFINE_ERROR_(InvalidArgumentError, kInvalidArgument)
RAGTIME_DEFINE_ERROR_(DeadlineExceededError, kDeadlineExceeded)
RAGTIME_DEFINE_ERROR_(NotFoundError, kNotFound)
RAGTIME_DEFINE_ERROR_(AlreadyExistsError, kAlreadyExists)
RAGTIME_DEFINE_ERROR_(PermissionDeniedError, kPermissionDenied)
RAGTIME_DEFINE_ERROR_(ResourceExhaustedError, kResourceExhausted)
RAGTIME_DEFINE_ERROR_(FailedPreconditionError, kFailedPrecondition)
RAGTIME_DEFINE_ERROR_(UnimplementedError, kUnimplemented)
RAGTIME_DEFINE_ERROR_(InternalError, kInternal)
RAGTIME_DEFINE_ERROR_(UnavailableError, kUnavailable)
RAGTIME_DEFINE_ERROR_(DataLossError, kDataLoss)
#undef RAGTIME_DEFINE_ERROR_

Status ErrnoError(int error_number, std::string_view what) {
  const std::string message = StrCat(what, ": ", std::strerror(error_number));
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return NotFoundError(message, "check the path");
    case EACCES:
    case EPERM:
      return PermissionDeniedError(message, "give this user the right to it, or choose another path");
    case EROFS:
      return PermissionDeniedError(message, "choose a path on a disk that can be written");
    case ENOSPC:
    case EDQUOT:
      return ResourceExhaustedError(message, "free some disk space and run the command again");
    case EFBIG:
      return ResourceExhaustedError(message, "raise the file size limit (ulimit -f) and run the command again");
    case EMFILE:
    case ENFILE:
      return ResourceExhaustedError(message, "raise the limit of open files (ulimit -n)");
    case ENOMEM:
      return ResourceExhaustedError(message, "free some memory");
    case EEXIST:
      return AlreadyExistsError(message, "choose another path, or move what lies there");
    case EISDIR:
      return InvalidArgumentError(message, "name a file, not a folder");
    case EINVAL:
      return InvalidArgumentError(message, "check the path and its file system");
    default:
      return UnavailableError(message, "check the disk");
  }
}

Status Context::Check() const {
  if (stop.stop_requested()) return CancelledError("the request was cancelled");
  if (deadline && std::chrono::steady_clock::now() >= *deadline) {
    return DeadlineExceededError("the request ran past its deadline");
  }
  return Status();
}

}  // namespace ragtime
