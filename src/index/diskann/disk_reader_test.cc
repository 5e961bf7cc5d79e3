// SPDX-License-Identifier: Apache-2.0
//
// Goal: DiskReader reads what the file holds at any offset, by io_uring and, where the system forbids that, by pread.
// Method: random pieces of a file of random bytes; a filter of system calls (seccomp) in a thread of its own forbids
// io_uring as containers do.
#include "index/diskann/disk_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <random>
#include <thread>
#include <vector>

namespace ragtime {
namespace {

// io_uring_setup fails with EPERM in this thread from now on.
bool ForbidRings() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{.len = static_cast<unsigned short>(std::size(program)), .filter = program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

class DiskReaderTest : public testing::Test {
 protected:
  static constexpr size_t kSize = 300001;

  DiskReaderTest() : path_(testing::TempDir() + "disk_reader_XXXXXX"), descriptor_(::mkstemp(path_.data())) {
    std::mt19937 random(1);
    for (std::byte& byte : content_) byte = static_cast<std::byte>(random());
    EXPECT_EQ(::pwrite(descriptor_, content_.data(), kSize, 0), static_cast<ssize_t>(kSize));
  }
  ~DiskReaderTest() override {
    ::close(descriptor_);
    std::filesystem::remove(path_);
  }

  void ReadMuch(DiskReader& reader, const DiskFile& file) {
    std::mt19937 random(2);
    for (const size_t count : {1u, 2u, 7u, 64u, 65u, 200u}) {
      std::vector<std::vector<std::byte>> read(count);
      std::vector<FilePiece> pieces;
      for (auto& bytes : read) {
        const size_t offset = pieces.empty() ? kSize - 1 : random() % kSize;
        bytes.resize(std::min<size_t>(1 + random() % 20000, kSize - offset));
        pieces.push_back({offset, bytes});
      }
      const Status status = reader.Read(file, pieces);
      ASSERT_TRUE(status.ok()) << status.ToString();
      for (size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(std::equal(read[i].begin(), read[i].end(),
                               content_.begin() + static_cast<std::ptrdiff_t>(pieces[i].offset)));
      }
    }
    EXPECT_EQ(reader.reads(), 339u);
  }

  std::string path_;
  const int descriptor_;
  std::vector<std::byte> content_ = std::vector<std::byte>(kSize);
};

TEST_F(DiskReaderTest, ReadsWhatTheFileHolds) {
  for (const bool direct : {true, false}) {
    for (const bool io_uring : {true, false}) {
      SCOPED_TRACE(testing::Message() << "direct " << direct << " io_uring " << io_uring);
      const auto file = DiskFile::Open(descriptor_, path_, direct);
      ASSERT_TRUE(file.ok());
      DiskReader reader(io_uring);
      ReadMuch(reader, *file);
      EXPECT_TRUE(io_uring || !reader.uses_io_uring());
    }
    ASSERT_EQ(::fcntl(descriptor_, F_SETFL, 0), 0);
  }
}

TEST_F(DiskReaderTest, WithoutIoUringItReadsOneByOne) {
  std::thread([this] {
    ASSERT_TRUE(ForbidRings());
    const auto file = DiskFile::Open(descriptor_, path_, true);
    ASSERT_TRUE(file.ok());
    DiskReader reader;
    EXPECT_TRUE(reader.uses_io_uring());
    ReadMuch(reader, *file);
    EXPECT_FALSE(reader.uses_io_uring());
  }).join();
}

TEST_F(DiskReaderTest, NothingIsReadPastTheEnd) {
  const auto file = DiskFile::Open(descriptor_, path_, true);
  ASSERT_TRUE(file.ok());
  DiskReader reader;
  std::byte bytes[2];
  const FilePiece pieces[] = {{0, bytes}, {kSize - 1, bytes}};
  const Status status = reader.Read(*file, pieces);
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_NE(status.message().find(path_), std::string::npos);
  EXPECT_NE(status.message().find("byte 300001"), std::string::npos) << status.ToString();
  EXPECT_FALSE(DiskFile::Open(-1, "gone", true).ok());
}

}  // namespace
}  // namespace ragtime
