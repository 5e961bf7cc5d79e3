// SPDX-License-Identifier: Apache-2.0
//
// How RemoteCatalog writes commits and whole states as text: one JSON value a line, so that no size is too large.
//
// Threads: functions without state. Errors: kDataLoss names the line.
#ifndef RAGTIME_STORE_REMOTE_LOG_H_
#define RAGTIME_STORE_REMOTE_LOG_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/shared_catalog.h"
#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime {

std::string EncodeChange(const SharedChange& change);  // Without its counters.
std::string EncodeState(const std::map<std::string, std::string>& settings,
                        const std::map<DocumentId, FileRecord>& files);
// Carries out what the lines say.
Status DecodeInto(std::string_view text, std::map<std::string, std::string>& settings,
                  std::map<DocumentId, FileRecord>& files);
Json CountersToJson(const SharedCounters& counters);
SharedCounters CountersFromJson(const Json& json);

// Pieces of at most `size` bytes that are UTF-8 each.
std::vector<std::string_view> CutUtf8(std::string_view text, size_t size);

// Who writes, as the lease names him.
struct LeaseOwner {
  std::string name;     // "process 4711 on host alpha", for messages.
  std::string machine;  // Of this boot and this space of process ids.
  int64_t process = 0;
};
LeaseOwner ThisProcess();
// False only where it is certain that the process has ended.
bool MayBeAlive(const LeaseOwner& owner);

}  // namespace ragtime

#endif  // RAGTIME_STORE_REMOTE_LOG_H_
