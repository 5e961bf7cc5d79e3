// SPDX-License-Identifier: Apache-2.0
//
// Goal: a segment gives back what was put in, from memory and from a file, and no damage to its bytes leads to a crash
// or goes unseen by Verify. Method: the nodes that went in are the oracle; thousands of mutated files are read by every
// method.
#include "store/segment.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>
#include <tuple>

#include "base/hash.h"
#include "store/segment_builder.h"
#include "testing/naive_index.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"
#include "text/words.h"

namespace ragtime {
namespace {

constexpr size_t kDimension = 8;
constexpr uint64_t kId = 42;

class SegmentTest : public testing::Test {
 protected:
  // Node ids with a gap after every third.
  SegmentParts Build(size_t documents, size_t nodes_each, size_t dimension = kDimension,
                     const std::map<std::string, size_t>& named = {}) {
    SegmentBuilder builder(kId, dimension, Metric::kCosine, NaiveIndexes());
    NodeId id = 1000;
    for (size_t d = 0; d < documents; ++d) {
      DocumentWrite document = RandomDocument(random_, "f", nodes_each, dimension);
      AddRandomNamed(random_, named, document.nodes);
      for (NewNode& node : document.nodes) {
        node.node.id = id++;
        if (id % 3 == 0) ++id;
        node.node.document_id = static_cast<DocumentId>(10 + 2 * d);
        EXPECT_OK(builder.Add(node.node, node.vector, node.named));
        nodes_.push_back(node);
      }
    }
    return Value(builder.Finish({}));
  }

  std::filesystem::path Write(std::span<const std::byte> bytes) {
    const auto path = folder_.path() / "segment.rag";
    std::filesystem::remove(path);  // A file that is cut to nothing and written anew is flushed by ext4 at its close.
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path;
  }

  void ExpectHoldsAll(const Segment& segment) {
    ASSERT_EQ(segment.rows(), nodes_.size());
    TextBlockCache cache;
    std::map<DocumentId, DocumentRows> documents;
    for (uint32_t row = 0; row < segment.rows(); ++row) {
      const Node& expected = nodes_[row].node;
      EXPECT_EQ(segment.node_id(row), expected.id);
      EXPECT_EQ(segment.FindNode(expected.id), row);
      EXPECT_EQ(Value(segment.ReadNode(row, cache)), expected);
      const auto vector = segment.vector(row);
      EXPECT_EQ(std::vector<float>(vector.begin(), vector.end()), nodes_[row].vector);
      EXPECT_EQ(segment.named_vectors(row), nodes_[row].named);
      auto& document =
          documents.try_emplace(expected.document_id, DocumentRows{expected.document_id, row, 0}).first->second;
      ++document.row_count;
      EXPECT_EQ(Value(Value(segment.keyword_index())->Length(row)), SplitWords(expected.text).size());
    }
    for (const auto& [id, rows] : documents) {
      const DocumentRows found = Value(segment.FindDocument(id));
      EXPECT_EQ(found.first_row, rows.first_row);
      EXPECT_EQ(found.row_count, rows.row_count);
      EXPECT_EQ(Value(segment.FindDocument(id + 1)).row_count, 0u);
    }
    for (NodeId id = 990; id < nodes_.back().node.id + 10; ++id) {
      const bool known = std::any_of(nodes_.begin(), nodes_.end(), [id](const NewNode& n) { return n.node.id == id; });
      EXPECT_EQ(segment.FindNode(id).has_value(), known) << id;
    }
    EXPECT_EQ(segment.FindNode(0), std::nullopt);
    EXPECT_EQ(segment.FindNode(INT64_MIN), std::nullopt);
    EXPECT_EQ(segment.FindNode(INT64_MAX), std::nullopt);
    EXPECT_OK(segment.Verify());
  }

  const uint64_t seed_ = SeedFromEnvironment();
  Random random_{seed_};
  TemporaryFolder folder_;
  std::vector<NewNode> nodes_;
};

// Calls everything; what it answers on damaged bytes does not matter as long as it answers.
void ReadEverything(const Segment& segment) {
  TextBlockCache cache;
  for (uint32_t row = 0; row < segment.rows(); ++row) {
    (void)segment.FindNode(segment.node_id(row));
    (void)segment.ReadNode(row, cache);
    (void)segment.vector(row);
    (void)segment.named_vectors(row);
    (void)segment.FindDocument(segment.document_id(row));
  }
  for (const char* group : {"paragraph", "sentence-256", "none"}) (void)segment.RowsOutside(group);
  const std::vector<float> query(segment.dimension(), 0.5f);
  if (const auto index = segment.vector_index(); index.ok() && *index != nullptr) {
    (void)(*index)->Search({}, query, 5, {});
  }
  for (const NamedColumn& column : segment.named()) {
    const std::vector<float> of_key(column.dimension, 0.5f);
    if (const auto index = segment.named_index(column); index.ok()) (void)(*index)->Search({}, of_key, 5, {});
  }
  if (const auto index = segment.keyword_index(); index.ok()) {
    const std::vector<WeightedTerm> terms = {{.term = "backup", .weight = 1, .nodes = 3}};
    (void)(*index)->Search({}, terms, {.nodes = 10, .tokens = 100}, 5, {});
    (void)(*index)->CountRows("index", {});
  }
}

TEST_F(SegmentTest, GivesBackWhatWasPutInFromMemoryAndFromAFile) {
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed_));
  const SegmentParts parts = Build(20, 7);
  const auto image = parts.ToImage();
  EXPECT_EQ(image.size(), parts.size_bytes(kImageAlignment));
  ExpectHoldsAll(
      *Value(Segment::OpenImage(SegmentImage::CopyOf(image), "image", kId, Metric::kCosine, NaiveIndexes())));
  const auto path = folder_.path() / "written.rag";
  ASSERT_OK(parts.WriteFile(path));
  EXPECT_EQ(std::filesystem::file_size(path), parts.size_bytes(kFileAlignment));
  ExpectHoldsAll(*Value(Segment::OpenFile(path, kId, Metric::kCosine, NaiveIndexes())));
}

// The sections of a segment's bytes by their order, without where they lie.
std::vector<std::tuple<uint32_t, uint64_t, uint64_t>> SectionsOf(std::span<const std::byte> image) {
  std::vector<std::tuple<uint32_t, uint64_t, uint64_t>> sections;
  const auto header = LoadAt<SegmentHeader>(image, 0);
  for (uint32_t i = 0; i < header.section_count; ++i) {
    const auto entry = LoadAt<SectionEntry>(image.subspan(sizeof(SegmentHeader)), i);
    sections.emplace_back(entry.type, entry.size_bytes, entry.checksum);
  }
  return sections;
}

TEST_F(SegmentTest, NamedVectorsAreSectionsBehindThoseThatAreThere) {
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed_));
  // More of each than one, since the last key is rare, and one of them in no row at all would have no section.
  const SegmentParts parts = Build(30, 7, kDimension, {{"english", 5}, {"中文", 12}});
  const auto image = parts.ToImage();
  ExpectHoldsAll(
      *Value(Segment::OpenImage(SegmentImage::CopyOf(image), "image", kId, Metric::kCosine, NaiveIndexes())));
  const auto path = folder_.path() / "named.rag";
  ASSERT_OK(parts.WriteFile(path));
  const auto segment = Value(Segment::OpenFile(path, kId, Metric::kCosine, NaiveIndexes()));
  ExpectHoldsAll(*segment);
  EXPECT_EQ(segment->FindNamed("none"), nullptr);

  SegmentBuilder plain(kId, kDimension, Metric::kCosine, NaiveIndexes());
  for (const NewNode& node : nodes_) EXPECT_OK(plain.Add(node.node, node.vector));
  const auto without = SectionsOf(Value(plain.Finish({})).ToImage());
  const auto with = SectionsOf(image);
  // Other than where they begin, the bytes of a segment without keys are those of before there were any.
  EXPECT_EQ(without.size(), 8u);
  for (const auto& section : without) EXPECT_LT(std::get<0>(section), static_cast<uint32_t>(SectionType::kKeys));
  ASSERT_EQ(with.size(), without.size() + 7);
  EXPECT_TRUE(std::equal(without.begin(), without.end(), with.begin()));
}

TEST_F(SegmentTest, DamagedNamedVectorsAreReadWithoutHarm) {
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed_));
  const auto image = Build(3, 4, kDimension, {{"english", 5}, {"中文", 12}}).ToImage();
  for (int i = 0; i < 400; ++i) {
    auto bytes = image;
    for (uint64_t flips = 1 + random_.Below(3); flips > 0; --flips) {
      bytes[random_.Below(bytes.size())] ^= std::byte{static_cast<uint8_t>(1u << random_.Below(8))};
    }
    // The header says so itself, so that what stands in it is looked at.
    auto header = LoadAt<SegmentHeader>(bytes, 0);
    if (header.header_size > bytes.size() || header.header_size < sizeof(header)) continue;
    header.checksum = 0;
    std::memcpy(bytes.data(), &header, sizeof(header));
    header.checksum = Hash64(std::span<const std::byte>(bytes).first(header.header_size));
    std::memcpy(bytes.data(), &header, sizeof(header));
    const auto segment = Segment::OpenFile(Write(bytes), kId, Metric::kCosine, NaiveIndexes());
    if (segment.ok()) ReadEverything(**segment);
  }
}

TEST_F(SegmentTest, TheSameNodesGiveTheSameBytes) {
  Random again = random_;
  const auto first = Build(3, 3).ToImage();
  random_ = again;
  EXPECT_EQ(first, Build(3, 3).ToImage());
}

TEST_F(SegmentTest, NodesWithoutVectorsAndLargeTexts) {
  SegmentBuilder builder(kId, 0, Metric::kCosine, NaiveIndexes());
  for (int i = 0; i < 5; ++i) {
    NewNode node = RandomNode(random_, "g", static_cast<uint32_t>(i), 0);
    node.node.text = std::string(static_cast<size_t>(i) * 260'000, static_cast<char>('a' + i));
    node.node.id = 1000 + i;
    node.node.document_id = 1 + 2 * i;
    ASSERT_OK(builder.Add(node.node, {}));
    nodes_.push_back(node);
  }
  const auto segment = Value(Segment::OpenImage(SegmentImage::CopyOf(Value(builder.Finish({})).ToImage()), "image", kId,
                                                Metric::kCosine, NaiveIndexes()));
  ExpectHoldsAll(*segment);
  EXPECT_EQ(Value(segment->vector_index()), nullptr);
}

TEST_F(SegmentTest, RowsOutsideAGroupAreThoseOfOthers) {
  const auto segment = Value(
      Segment::OpenImage(SegmentImage::CopyOf(Build(30, 6).ToImage()), "image", kId, Metric::kCosine, NaiveIndexes()));
  for (const std::string group : {"paragraph", "sentence-256", "none"}) {
    const auto words = Value(segment->RowsOutside(group));
    for (uint32_t row = 0; row < segment->rows(); ++row) {
      EXPECT_EQ((RowBitmap{words}.Contains(row)), nodes_[row].node.group != group) << group << " " << row;
    }
  }
}

TEST_F(SegmentTest, AnUnknownSectionIsPassedOver) {
  const auto image = Build(3, 4).ToImage();
  auto header = LoadAt<SegmentHeader>(image, 0);
  // One entry more, and everything behind the table 64 bytes further.
  std::vector<std::byte> table(image.begin(), image.begin() + header.header_size);
  const SectionEntry unknown{.type = 77, .version = 9, .offset = 0, .size_bytes = 10};
  const auto* unknown_bytes = reinterpret_cast<const std::byte*>(&unknown);
  table.insert(table.end(), unknown_bytes, unknown_bytes + sizeof(unknown));
  for (uint32_t i = 0; i < header.section_count; ++i) {
    auto* entry = reinterpret_cast<SectionEntry*>(table.data() + sizeof(header) + i * sizeof(SectionEntry));
    entry->offset += 64;
  }
  const size_t old_start = (header.header_size + 63) / 64 * 64;
  ++header.section_count;
  header.header_size += sizeof(SectionEntry);
  header.size_bytes += 64;
  header.checksum = 0;
  std::memcpy(table.data(), &header, sizeof(header));
  header.checksum = Hash64(table);
  std::memcpy(table.data(), &header, sizeof(header));
  table.resize(old_start + 64);
  table.insert(table.end(), image.begin() + static_cast<std::ptrdiff_t>(old_start), image.end());
  const auto segment = Segment::OpenFile(Write(table), kId, Metric::kCosine, NaiveIndexes());
  ASSERT_OK(segment);
  TextBlockCache cache;
  EXPECT_EQ(Value((*segment)->ReadNode(5, cache)), nodes_[5].node);
}

TEST_F(SegmentTest, ANewerFormatAndAnotherIndexSayWhatToDo) {
  auto image = Build(1, 2).ToImage();
  auto header = LoadAt<SegmentHeader>(image, 0);
  header.format_version = kSegmentFormatVersion + 1;
  std::memcpy(image.data(), &header, sizeof(header));
  const auto newer = Segment::OpenFile(Write(image), kId, Metric::kCosine, NaiveIndexes());
  EXPECT_THAT(newer, StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_NE(newer.status().remedy().find("newer Ragtime"), std::string::npos);

  class OtherType : public NaiveVectorIndexType {
    std::string_view name() const override { return "OTHER"; }
  };
  IndexSet other = NaiveIndexes();
  other.vector = std::make_shared<OtherType>();
  const auto segment =
      Value(Segment::OpenImage(SegmentImage::CopyOf(Build(1, 2).ToImage()), "image", kId, Metric::kCosine, other));
  EXPECT_THAT(segment->vector_index(), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_OK(segment->keyword_index());
}

TEST_F(SegmentTest, AnOlderVectorIndexIsOpenedIfItsTypeStillReadsIt) {
  class NewerType : public NaiveVectorIndexType {
   public:
    explicit NewerType(uint32_t version_min) : version_min_(version_min) {}
    uint32_t version() const override { return 3; }
    uint32_t version_min() const override { return version_min_; }

   private:
    const uint32_t version_min_;
  };
  const auto image = Build(1, 2).ToImage();
  for (const uint32_t version_min : {1u, 2u}) {
    IndexSet newer = NaiveIndexes();
    newer.vector = std::make_shared<NewerType>(version_min);
    const auto segment = Value(Segment::OpenImage(SegmentImage::CopyOf(image), "image", kId, Metric::kCosine, newer));
    EXPECT_TRUE(segment->outdated());
    if (version_min == 1) {
      EXPECT_OK(segment->vector_index());
      continue;
    }
    EXPECT_THAT(segment->vector_index(), StatusIs(StatusCode::kFailedPrecondition));
    EXPECT_NE(segment->vector_index().status().remedy().find("ragtime compact"), std::string::npos);
  }
}

TEST_F(SegmentTest, AnyTruncationIsDataLossThatNamesTheFile) {
  const auto image = Build(4, 4).ToImage();
  for (size_t size = 0; size < image.size(); size += size < 600 ? 1 : 37) {
    const auto segment = Segment::OpenFile(Write(std::span(image).first(size)), kId, Metric::kCosine, NaiveIndexes());
    ASSERT_THAT(segment, StatusIs(StatusCode::kDataLoss)) << size;
    EXPECT_NE(segment.status().message().find("segment.rag"), std::string::npos);
    EXPECT_FALSE(segment.status().remedy().empty());
  }
  EXPECT_THAT(Segment::OpenFile(Write(image), kId + 1, Metric::kCosine, NaiveIndexes()),
              StatusIs(StatusCode::kDataLoss));
}

TEST_F(SegmentTest, FlippedBytesNeverCrashAndVerifySeesThem) {
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed_));
  const auto good = Build(10, 5).ToImage();
  std::vector<bool> covered(good.size());
  const auto header = LoadAt<SegmentHeader>(good, 0);
  for (uint32_t i = 0; i < header.header_size; ++i) covered[i] = true;
  for (uint32_t s = 0; s < header.section_count; ++s) {
    const auto entry = LoadAt<SectionEntry>(std::span(good).subspan(sizeof(SegmentHeader)), s);
    for (uint64_t i = 0; i < entry.size_bytes; ++i) covered[entry.offset + i] = true;
  }
  for (int round = 0; round < 3000; ++round) {
    auto bad = good;
    bool damaged = false;
    for (uint64_t flips = 1 + random_.Below(3); flips > 0; --flips) {
      const size_t at = random_.Below(bad.size());
      const auto value = static_cast<std::byte>(random_.Below(256));
      damaged = damaged || (covered[at] && bad[at] != value);
      bad[at] = value;
    }
    const auto segment = Segment::OpenFile(Write(bad), kId, Metric::kCosine, NaiveIndexes());
    if (!segment.ok()) continue;
    ReadEverything(**segment);
    EXPECT_EQ((*segment)->Verify().ok(), !damaged && bad.size() == good.size()) << "round " << round;
  }
}

TEST_F(SegmentTest, AHeaderThatLiesWithARightChecksumNeverCrashes) {
  SCOPED_TRACE("RAGTIME_SEED=" + std::to_string(seed_));
  const auto good = Build(10, 5).ToImage();
  for (int round = 0; round < 3000; ++round) {
    auto bad = good;
    auto header = LoadAt<SegmentHeader>(bad, 0);
    const size_t at = random_.Below(header.header_size / 4) * 4;
    static constexpr uint32_t kValues[] = {0, 1, 2, 63, 64, 4096, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    uint32_t value = kValues[random_.Below(std::size(kValues))];
    if (random_.OneIn(2)) value = LoadAt<uint32_t>(bad, at / 4) + static_cast<uint32_t>(random_.Below(3)) - 1;
    std::memcpy(bad.data() + at, &value, sizeof(value));
    header = LoadAt<SegmentHeader>(bad, 0);
    if (header.header_size > bad.size() || header.header_size < sizeof(header)) continue;
    header.checksum = 0;
    std::memcpy(bad.data(), &header, sizeof(header));
    header.checksum = Hash64(std::span(bad).first(header.header_size));
    std::memcpy(bad.data(), &header, sizeof(header));
    const auto segment = Segment::OpenFile(Write(bad), kId, Metric::kCosine, NaiveIndexes());
    if (segment.ok()) ReadEverything(**segment);
  }
}

}  // namespace
}  // namespace ragtime
