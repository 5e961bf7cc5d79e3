// SPDX-License-Identifier: Apache-2.0
//
// The JSON objects that users and scripts read, as docs/reference/json/ describes them: one function for each.
#ifndef RAGTIME_WIRE_SCHEMA_H_
#define RAGTIME_WIRE_SCHEMA_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ragtime/doctor.h"
#include "ragtime/document.h"
#include "ragtime/knowledge_base.h"
#include "ragtime/status.h"
#include "ragtime/table.h"
#include "wire/json.h"

namespace ragtime {

// What lies below a folder, at any depth.
struct FolderTotals {
  uint64_t files = 0;
  uint64_t failed = 0;
  uint64_t nodes = 0;
  uint64_t size_bytes = 0;
};
std::map<DocumentId, FolderTotals> TotalsOfFolders(const std::vector<FileRecord>& files);

Json SearchJson(const std::string& query, const SearchResult& result);
Json WhyNotJson(const std::string& query, const WhyNotReport& report);
Json AnswerJson(const Answer& answer);
Json TableJson(const TableResult& result);
Json FilesJson(const std::vector<FileRecord>& files);
Json StatisticsJson(const KnowledgeBaseStatistics& statistics);
Json DeleteJson(const DeleteReport& report);
Json CompactJson(const CompactReport& report);
Json VerifyJson(const VerifyReport& report);
Json BackupJson(const BackupReport& report);  // Of restore too.
Json CopyJson(const CopyReport& report);
Json ImportJson(const ImportReport& report);
Json ReembedJson(const ReembedReport& report);
Json JoinRecordJson(const JoinRecord& record);
Json TuneJson(const TuneReport& report);
// Whether there are half as many nodes again as when it was tuned, or only half as many.
bool IsOutgrown(const KnowledgeBaseStatistics& statistics);
Json IngestJson(const IngestReport& report);
Json DoctorJson(const std::vector<Finding>& findings);
Json ErrorJson(const Status& status);

// Unix milliseconds as "2026-01-31T08:05:00.123Z".
std::string IsoTime(int64_t unix_ms);

}  // namespace ragtime

#endif  // RAGTIME_WIRE_SCHEMA_H_
