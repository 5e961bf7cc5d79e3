// SPDX-License-Identifier: Apache-2.0
//
// The JSON objects that users and scripts read, as docs/reference/json/ describes them: one function for each.
#ifndef RAGTIME_WIRE_SCHEMA_H_
#define RAGTIME_WIRE_SCHEMA_H_

#include <string>
#include <vector>

#include "ragtime/doctor.h"
#include "ragtime/document.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/status.h"
#include "wire/json.h"

namespace ragtime {

Json SearchJson(const std::string& query, const SearchResult& result);
Json AnswerJson(const Answer& answer);
Json FilesJson(const std::vector<FileRecord>& files);
Json StatisticsJson(const KnowledgeBaseStatistics& statistics);
Json IngestJson(const IngestReport& report);
Json DoctorJson(const std::vector<Finding>& findings);
Json ErrorJson(const Status& status);

// Unix milliseconds as "2026-01-31T08:05:00.123Z".
std::string IsoTime(int64_t unix_ms);

}  // namespace ragtime

#endif  // RAGTIME_WIRE_SCHEMA_H_
