// SPDX-License-Identifier: Apache-2.0
//
// EmbeddedSnapshot answers out of one View; only the rows of files are read from the catalog when they are asked for.
//
// Threads: every method may be called concurrently. Ownership: shares the view and the reading connection with its
// store, and may outlive the store. Errors: kAborted from the methods about files once the catalog has forgotten that
// state.
#ifndef RAGTIME_STORE_EMBEDDED_EMBEDDED_SNAPSHOT_H_
#define RAGTIME_STORE_EMBEDDED_EMBEDDED_SNAPSHOT_H_

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "ragtime/store.h"
#include "store/embedded/view.h"
#include "store/row_filter.h"

namespace ragtime {

// The connection that a store and its snapshots read with.
struct CatalogReader {
  std::mutex mutex;
  std::unique_ptr<Catalog> catalog;  // Guarded by mutex.
};

class EmbeddedSnapshot : public Snapshot {
 public:
  EmbeddedSnapshot(std::shared_ptr<const View> view, std::shared_ptr<CatalogReader> reader,
                   std::shared_ptr<const ViewSource> source)
      : view_(std::move(view)), reader_(std::move(reader)), source_(std::move(source)) {}

  uint64_t generation() const override { return view_->state.generation; }
  const std::vector<FieldSpec>& fields() const override { return view_->fields; }
  Result<StoreStatistics> Statistics() const override;
  Result<std::vector<FileRecord>> Files() const override;
  Result<std::optional<FileRecord>> FindFile(DocumentId id) const override;
  Result<std::optional<FileRecord>> FindFile(std::string_view file_path) const override;
  Result<std::vector<std::optional<FileRecord>>> FindFiles(std::span<const DocumentId> ids) const override;
  Result<std::vector<std::optional<Node>>> GetNodes(std::span<const NodeId> ids) const override;
  Result<std::vector<NewNode>> NodesOf(DocumentId id) const override;
  Result<uint64_t> CountNodes(const Context& context, const Filter& filter) const override;
  Status VisitNodes(const Context& context, const Filter& filter,
                    const std::function<bool(const NodeRow&)>& visit) const override;
  Result<std::vector<Hit>> SearchVector(const Context& context, const VectorQuery& query) const override;
  Result<std::vector<Hit>> SearchKeyword(const Context& context, const KeywordQuery& query) const override;

 private:
  Result<std::vector<DocumentId>> FindDocuments(const FilterNode& leaf) const;
  Result<RowWords> MatchingRows(const SegmentView& segment, SegmentFilter& matches) const;
  Result<std::vector<WeightedTerm>> CountTerms(const Context& context, std::vector<WeightedTerm> terms) const;

  const std::shared_ptr<const View> view_;
  const std::shared_ptr<CatalogReader> reader_;
  const std::shared_ptr<const ViewSource> source_;
};

}  // namespace ragtime

#endif  // RAGTIME_STORE_EMBEDDED_EMBEDDED_SNAPSHOT_H_
