// SPDX-License-Identifier: Apache-2.0
//
// Goal: an address is read whole, and neither a slip nor a password in it shows up in a message.
#include "catalog/sql/sql_address.h"

#include <gtest/gtest.h>

#include "catalog/sql/sql_session.h"
#include "testing/status_matchers.h"

namespace ragtime {
namespace {

TEST(SqlAddressTest, EveryPartIsRead) {
  const SqlAddress address =
      Value(SqlAddress::Parse("postgresql://me:p%40ss%2F@db.example:5433/kb?sslmode=require&sslrootcert=%2Fa%20b"));
  EXPECT_EQ(address.dialect, SqlDialect::kPostgresql);
  EXPECT_EQ(address.user, "me");
  EXPECT_EQ(address.password, "p@ss/");
  EXPECT_EQ(address.name(), "postgresql://db.example:5433/kb");
  EXPECT_EQ(address.ConnectString(),
            "user='me' password='p@ss/' host='db.example' port='5433' dbname='kb' sslmode='require' sslrootcert='/a b' "
            "connect_timeout='5' client_encoding='UTF8' application_name='ragtime'");
  EXPECT_EQ(Value(SqlAddress::Parse("mysql://h/kb?silence_timeout_s=7&sslca=/c")).silence_timeout_s, 7);
  EXPECT_EQ(Value(SqlAddress::Parse("mariadb://u:p@[::1]:3306/kb")).host, "::1");
  EXPECT_EQ(Value(SqlAddress::Parse("mysql://u:a'b%5C@/kb?socket=/s")).ConnectString(),
            "user='u' password='a\\'b\\\\' db='kb' unix_socket='/s' connect_timeout='5' charset='utf8mb4' "
            "read_timeout='60' write_timeout='60'");
}

TEST(SqlAddressTest, SlipsAreToldWithoutThePassword) {
  for (const char* uri : {"", "kb", "sqlite://me:secret@h/kb", "mysql://me:secret@h", "mysql://me:secret@h/",
                          "mysql://me:secret@h:port/kb", "mysql://me:secret%zz@h/kb", "mysql://me:secret@h/kb?ssl=1",
                          "mysql://me:secret@h/kb?silence_timeout_s=0", "postgresql://me:secret@h/kb?=secret",
                          "mysql://me:secret%00@h/kb"}) {
    const auto refused = SqlAddress::Parse(uri);
    ASSERT_THAT(refused, StatusIs(StatusCode::kInvalidArgument)) << uri;
    EXPECT_EQ(refused.status().ToString().find("secret"), std::string::npos) << refused.status().ToString();
  }
}

TEST(SqlTextTest, AnyBytesSurvive) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (const std::string& text : {std::string(), std::string("a\0b", 3), std::string("\\x41"), std::string("文件 😀"),
                                  std::string("a  "), std::string("\xff\xfe"), std::string("\\"), all, all + all}) {
    const std::string encoded = EncodeSqlText(text);
    EXPECT_EQ(DecodeSqlText(encoded), text);
    EXPECT_EQ(encoded.find('\0'), std::string::npos);
    EXPECT_FALSE(encoded.ends_with(' '));
  }
  EXPECT_EQ(EncodeSqlText("文件 😀"), "文件 😀") << "what can be read stays readable";
}

}  // namespace
}  // namespace ragtime
