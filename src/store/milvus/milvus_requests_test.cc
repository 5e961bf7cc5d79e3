// SPDX-License-Identifier: Apache-2.0
//
// Goal: requests are those that pymilvus sends, also of what Milvus Lite does not have (DISKANN, GPU indexes, users,
// databases, TLS), and what a server or the network does wrong becomes the right Status.
// Method: tests/golden/milvus holds what pymilvus 3.0.2 sent, a server that records is what is asked.
#include "store/milvus/milvus_requests.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "base/files.h"
#include "base/str_cat.h"
#include "store/milvus/milvus_expression.h"
#include "store/milvus/milvus_rows.h"
#include "store/milvus/milvus_server.h"
#include "testing/recording_grpc_server.h"
#include "testing/status_matchers.h"
#include "testing/store_testing.h"

namespace ragtime {
namespace {

namespace common = milvus::proto::common;
namespace proto = milvus::proto::milvus;
namespace schema = milvus::proto::schema;

CollectionSpec Spec(std::string index_type = "FLAT", Metric metric = Metric::kCosine,
                    std::map<std::string, std::string> build = {}, std::map<std::string, std::string> search = {}) {
  return {.name = "kb_nodes",
          .dimension = 3,
          .metric = metric,
          .index_type = std::move(index_type),
          .index_params = std::move(build),
          .search_params = std::move(search),
          .columns = {{"year", FieldType::kInt}, {"author", FieldType::kString}}};
}

const std::vector<std::pair<std::string, CollectionSpec>>& Indexes() {
  static const std::vector<std::pair<std::string, CollectionSpec>> indexes = {
      {"hnsw", Spec("HNSW", Metric::kCosine, {{"M", "16"}, {"efConstruction", "200"}}, {{"ef", "64"}})},
      {"diskann",
       Spec("DISKANN", Metric::kL2, {{"search_list_size", "100"}, {"max_degree", "56"}}, {{"search_list", "50"}})},
      {"gpu_cagra",
       Spec("GPU_CAGRA", Metric::kInnerProduct, {{"intermediate_graph_degree", "64"}, {"graph_degree", "32"}},
            {{"itopk_size", "128"}, {"search_width", "4"}})},
      {"ivf_pq", Spec("IVF_PQ", Metric::kL2, {{"nlist", "128"}, {"m", "3"}, {"nbits", "8"}}, {{"nprobe", "8"}})}};
  return indexes;
}

template <typename Message>
Message Golden(const std::string& name) {
  const std::string text = Value(ReadFile(StrCat(RAGTIME_SOURCE_DIR, "/tests/golden/milvus/", name, ".txt")));
  Message message;
  if (!google::protobuf::TextFormat::ParseFromString(text, &message)) throw std::runtime_error(name);
  return message;
}

template <typename Message>
void ExpectSame(const Message& actual, const Message& wanted) {
  google::protobuf::util::MessageDifferencer differencer;
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  // Pairs of key and value, and columns with a name, may come in any order.
  differencer.set_repeated_field_comparison(google::protobuf::util::MessageDifferencer::AS_SET);
  EXPECT_TRUE(differencer.Compare(wanted, actual)) << difference;
}

// pymilvus writes no empty arrays and no type of the elements of an array that it was given.
void DropEmpty(proto::UpsertRequest& request) {
  for (auto& field : *request.mutable_fields_data()) {
    field.mutable_scalars()->mutable_array_data()->clear_element_type();
    if (field.scalars().array_data().data().empty()) field.mutable_scalars()->clear_array_data();
    if (!field.has_vectors() && !field.has_scalars()) field.mutable_scalars();
    if (field.has_vectors()) field.clear_scalars();
  }
}

TEST(MilvusRequests, AreThoseOfPymilvus) {
  ExpectSame(SchemaOf(Spec()), Golden<schema::CollectionSchema>("create_collection"));
  for (const auto& [name, spec] : Indexes()) {
    SCOPED_TRACE(name);
    ExpectSame(IndexRequest(spec), Golden<proto::CreateIndexRequest>("create_index_" + name));
    const auto search =
        SearchRequestOf(spec, std::vector<float>{1.0f, 0.5f, -2.0f}, 7, "f_year >= 2020", common::Strong);
    ExpectSame(search, Golden<proto::SearchRequest>("search_" + name));
  }
  const auto bounded = SearchRequestOf(Spec(), std::vector<float>{1.0f, 0.5f, -2.0f}, 7, "", common::Bounded);
  const auto wanted_bounded = Golden<proto::SearchRequest>("search_bounded");
  EXPECT_EQ(bounded.guarantee_timestamp(), wanted_bounded.guarantee_timestamp());
  EXPECT_EQ(bounded.consistency_level(), wanted_bounded.consistency_level());
  EXPECT_EQ(bounded.use_default_consistency(), wanted_bounded.use_default_consistency());
  ExpectSame(QueryRequestOf("kb_nodes", "f_year is null", {"id"}, common::Strong),
             Golden<proto::QueryRequest>("query"));
  // pymilvus' iterator also says which collection it is and as of when.
  auto iterated = Golden<proto::QueryRequest>("query_lowest");
  const auto lowest = LowestRequestOf("kb_nodes", iterated.expr(), {"id"}, 100, common::Strong);
  std::map<std::string, std::string> wanted;
  for (const auto& parameter : iterated.query_params()) wanted[parameter.key()] = parameter.value();
  EXPECT_EQ(lowest.query_params_size(), 4);
  for (const auto& parameter : lowest.query_params()) EXPECT_EQ(parameter.value(), wanted[parameter.key()]);
  proto::DeleteRequest erase;
  erase.set_collection_name("kb_nodes");
  erase.set_expr(MilvusIdsExpression(std::vector<int64_t>{5, 6}));
  ExpectSame(erase, Golden<proto::DeleteRequest>("delete"));
}

TEST(MilvusRequests, RowsAreWrittenAsPymilvusWritesThem) {
  std::vector<CollectionRow> rows = {{.id = 5, .vector = {1, 2, 3}, .text = "first", .payload = "{}"},
                                     {.id = 6, .vector = {4, 5, 6}, .text = "第二"}};
  rows[0].columns["year"] = int64_t{2020};
  rows[1].columns["author"] = std::string("Li");
  auto request = Value(UpsertOf(Spec(), rows));
  auto wanted = Golden<proto::UpsertRequest>("upsert");
  // There the second text goes on in text_rest, which only a longer one does here.
  for (auto& field : *request.mutable_fields_data()) {
    if (field.field_name() != "text_rest") continue;
    field.mutable_scalars()->mutable_array_data()->add_data()->mutable_string_data()->add_data("more");
    field.set_valid_data(1, true);
  }
  DropEmpty(request);
  DropEmpty(wanted);
  ASSERT_EQ(request.fields_data_size(), wanted.fields_data_size());
  for (const auto& field : wanted.fields_data()) {
    const auto mine = std::find_if(request.fields_data().begin(), request.fields_data().end(),
                                   [&](const auto& other) { return other.field_name() == field.field_name(); });
    ASSERT_NE(mine, request.fields_data().end()) << field.field_name();
    EXPECT_EQ(mine->DebugString(), field.DebugString());
  }
}

class MilvusChannelTest : public testing::Test {
 protected:
  static GrpcReply Answer(const google::protobuf::Message& message) {
    return {.response = message.SerializeAsString()};
  }
  static GrpcReply AnswerTrue() {
    proto::BoolResponse yes;
    yes.set_value(true);
    return Answer(yes);
  }
  static MilvusOptions Options(const RecordingGrpcServer& server) {
    return {.uri = StrCat("http://127.0.0.1:", server.port()),
            .timeout_ms = 20000,
            .retry = {.attempts_max = 3, .backoff_ms = 1}};
  }
};

TEST_F(MilvusChannelTest, SaysWhoAsksAndOfWhichDatabase) {
  RecordingGrpcServer server([](size_t, const RecordedCall&) { return AnswerTrue(); });
  MilvusOptions options = Options(server);
  options.user = "root";
  options.password = "Milvus";
  options.db_name = "books";
  EXPECT_TRUE(Value(Value(MilvusServer::Open({}, options))->Exists({}, "kb_nodes")));
  options.token = "an-api-key";
  EXPECT_TRUE(Value(Value(MilvusServer::Open({}, options))->Exists({}, "kb_nodes")));
  const auto calls = server.calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].method, "HasCollection");
  // As the head of each golden file says.
  EXPECT_EQ(calls[0].metadata.at("authorization"), "cm9vdDpNaWx2dXM=");
  EXPECT_EQ(calls[0].metadata.at("dbname"), "books");
  EXPECT_EQ(calls[1].metadata.at("authorization"), "YW4tYXBpLWtleQ==");
}

TEST_F(MilvusChannelTest, TriesAgainWhatMayPass) {
  RecordingGrpcServer server([](size_t number, const RecordedCall&) {
    if (number == 0) return GrpcReply{.code = 14, .message = "starting"};
    common::Status busy;
    busy.set_code(8);
    busy.set_reason("rate limit");
    proto::BoolResponse limited;
    *limited.mutable_status() = busy;
    return number == 1 ? Answer(limited) : AnswerTrue();
  });
  EXPECT_TRUE(Value(Value(MilvusServer::Open({}, Options(server)))->Exists({}, "x")));
  EXPECT_EQ(server.calls().size(), 3u);
}

TEST_F(MilvusChannelTest, GivesUpAndNamesServerAndOperation) {
  RecordingGrpcServer server([](size_t, const RecordedCall&) { return GrpcReply{.code = 14, .message = "gone"}; });
  MilvusOptions options = Options(server);
  options.user = "root";
  options.password = "hidden-word";
  const Status status = Value(MilvusServer::Open({}, options))->Exists({}, "kb").status();
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(server.calls().size(), 3u);
  EXPECT_NE(status.message().find(StrCat("milvus http://127.0.0.1:", server.port(), ", HasCollection")),
            std::string::npos)
      << status.ToString();
  EXPECT_EQ(status.ToString().find("hidden-word"), std::string::npos);
}

TEST_F(MilvusChannelTest, DoesNotRepeatWhatIsWrong) {
  for (const auto& [code, expected] : {std::pair(16, StatusCode::kPermissionDenied),
                                       {3, StatusCode::kInvalidArgument},
                                       {12, StatusCode::kUnimplemented}}) {
    RecordingGrpcServer server([code = code](size_t, const RecordedCall&) { return GrpcReply{.code = code}; });
    EXPECT_THAT(Value(MilvusServer::Open({}, Options(server)))->Exists({}, "x"), StatusIs(expected));
    EXPECT_EQ(server.calls().size(), 1u);
  }
}

TEST_F(MilvusChannelTest, AStallEndsAtTheDeadlineAndWhenCancelled) {
  RecordingGrpcServer server([](size_t, const RecordedCall&) { return GrpcReply{.never = true}; });
  const auto milvus = Value(MilvusServer::Open({}, Options(server)));
  const Context short_one{.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100)};
  EXPECT_THAT(milvus->Exists(short_one, "x"), StatusIs(StatusCode::kDeadlineExceeded));
  std::stop_source stop;
  std::jthread stopper([&] {
    while (server.calls().size() < 2) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stop.request_stop();
  });
  EXPECT_THAT(milvus->Exists({.stop = stop.get_token()}, "x"), StatusIs(StatusCode::kCancelled));
}

TEST_F(MilvusChannelTest, GarbageIsAnError) {
  RecordingGrpcServer server([](size_t, const RecordedCall&) { return GrpcReply{.response = "\xFF\xFF garbage"}; });
  const auto exists = Value(MilvusServer::Open({}, Options(server)))->Exists({}, "x");
  EXPECT_FALSE(exists.ok());
  EXPECT_NE(exists.status().message().find("no message of Milvus"), std::string::npos) << exists.status().ToString();
}

TEST_F(MilvusChannelTest, AnswersThatLackColumnsAreDamage) {
  RecordingGrpcServer server([](size_t, const RecordedCall& call) {
    if (call.method == "HasCollection") return GrpcReply{};
    if (call.method == "GetLoadState") {
      proto::GetLoadStateResponse loaded;
      loaded.set_state(common::LoadStateLoaded);
      return Answer(loaded);
    }
    if (call.method != "Query") return GrpcReply{};
    proto::QueryResults results;
    auto& ids = *results.add_fields_data();
    ids.set_field_name("id");
    ids.mutable_scalars()->mutable_long_data()->add_data(1);
    auto& text = *results.add_fields_data();
    text.set_field_name("text");
    text.mutable_scalars()->mutable_long_data()->add_data(7);
    return Answer(results);
  });
  const auto milvus = Value(MilvusServer::Open({}, Options(server)));
  const auto collection = Value(milvus->OpenOrMake({}, Spec()));
  EXPECT_THAT(collection->Get({}, std::vector<int64_t>{1}, true), StatusIs(StatusCode::kDataLoss));
}

TEST_F(MilvusChannelTest, RefusesAUriAndALevelThatMeanNothing) {
  EXPECT_THAT(MilvusServer::Open({}, {.uri = "ftp://host"}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(MilvusServer::Open({}, {.uri = "http://"}), StatusIs(StatusCode::kInvalidArgument));
  const auto secret = MilvusServer::Open({}, {.uri = "http://me:word@host:1"});
  EXPECT_THAT(secret, StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(secret.status().ToString().find("word@"), std::string::npos);
  EXPECT_THAT(MilvusServer::Open({}, {.uri = "http://host", .consistency_level = "strong"}),
              StatusIs(StatusCode::kInvalidArgument));
}

// ---- Answers that no sound server gives.

// Knows every collection that is asked for; `answer` takes the requests for its rows.
RecordingGrpcServer::Replies OneCollection(std::function<GrpcReply()> answer) {
  return [answer = std::move(answer)](size_t, const RecordedCall& call) {
    if (call.method == "HasCollection" || call.method == "CreateCollection" || call.method == "CreateIndex" ||
        call.method == "GetVersion") {
      return GrpcReply{};
    }
    if (call.method == "GetLoadState") {
      proto::GetLoadStateResponse loaded;
      loaded.set_state(common::LoadStateLoaded);
      return GrpcReply{.response = loaded.SerializeAsString()};
    }
    return answer();
  };
}

// A sound answer, so that damage is found behind what is checked first.
std::string TwoRows() {
  proto::QueryResults results;
  const auto add = [&results](const char* name) -> schema::FieldData& {
    schema::FieldData& field = *results.add_fields_data();
    field.set_field_name(name);
    return field;
  };
  auto& ids = *add("id").mutable_scalars()->mutable_long_data();
  ids.add_data(1);
  ids.add_data(2);
  for (const char* name : {"text", "payload"}) {
    auto& texts = *add(name).mutable_scalars()->mutable_string_data();
    texts.add_data("one");
    texts.add_data("two");
  }
  auto& vectors = *add("vector").mutable_vectors();
  for (int i = 0; i < 6; ++i) vectors.mutable_float_vector()->add_data(0.5f);
  schema::FieldData& year = add("f_year");
  year.mutable_scalars()->mutable_long_data()->add_data(2020);
  year.add_valid_data(true);
  year.add_valid_data(false);
  schema::FieldData& rest = add("text_rest");
  rest.mutable_scalars()->mutable_array_data()->add_data()->mutable_string_data()->add_data(" more");
  rest.add_valid_data(false);
  rest.add_valid_data(true);
  return results.SerializeAsString();
}

TEST_F(MilvusChannelTest, NullsAndRestsAreReadWhereTheyBelong) {
  RecordingGrpcServer server(OneCollection([] { return GrpcReply{.response = TwoRows()}; }));
  const auto milvus = Value(MilvusServer::Open({}, Options(server)));
  const auto rows = Value(Value(milvus->OpenOrMake({}, Spec()))->Get({}, std::vector<int64_t>{1, 2}, true));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].columns, (Fields{{"year", int64_t{2020}}}));
  EXPECT_EQ(rows[0].text, "one");
  EXPECT_EQ(rows[1].columns, Fields());
  EXPECT_EQ(rows[1].text, "two more");
}

TEST_F(MilvusChannelTest, DamagedAnswersAreReadOrRefused) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(StrCat("RAGTIME_SEED=", seed));
  Random random(seed);
  std::mutex mutex;
  RecordingGrpcServer server(OneCollection([&] {
    const std::lock_guard lock(mutex);
    std::string answer = TwoRows();
    for (uint64_t i = random.Below(4); i < 4 && !answer.empty(); ++i) {
      const size_t at = random.Below(answer.size());
      if (random.OneIn(3)) {
        answer.erase(at, random.Below(6));
      } else {
        answer[at] = static_cast<char>(random.Below(256));
      }
    }
    return GrpcReply{.response = answer};
  }));
  MilvusOptions options = Options(server);
  options.retry.attempts_max = 1;
  const auto milvus = Value(MilvusServer::Open({}, options));
  const auto collection = Value(milvus->OpenOrMake({}, Spec()));
  const auto expect_named = [&](const Status& status) {
    if (status.ok()) return;
    EXPECT_NE(status.message().find(milvus->name()), std::string::npos) << status.ToString();
  };
  int refused = 0;
  for (int i = 0; i < 150; ++i) {
    const Status got = collection->Get({}, std::vector<int64_t>{1, 2}, true).status();
    if (!got.ok()) ++refused;
    expect_named(got);
    expect_named(collection->Scan({}, Filter(), 0, 10, true).status());
    expect_named(collection->Count({}, Filter()).status());
    expect_named(collection->SearchVector({}, std::vector<float>{1, 0, 0}, 3, Filter()).status());
  }
  EXPECT_GT(refused, 0);
}

TEST_F(MilvusChannelTest, ASessionSeesItsOwnWrites) {
  constexpr uint64_t kTime = 470712700016525312;
  RecordingGrpcServer server([](size_t, const RecordedCall& call) {
    if (call.method == "GetLoadState") {
      proto::GetLoadStateResponse loaded;
      loaded.set_state(common::LoadStateLoaded);
      return Answer(loaded);
    }
    proto::MutationResult written;
    written.set_timestamp(kTime);
    return call.method == "Upsert" ? Answer(written) : GrpcReply{};
  });
  MilvusOptions options = Options(server);
  options.consistency_level = "Session";
  const auto milvus = Value(MilvusServer::Open({}, options));
  const auto collection = Value(milvus->OpenOrMake({}, Spec()));
  const std::vector<float> query = {1, 0, 0};
  const auto asked = [&] {
    EXPECT_OK(collection->SearchVector({}, query, 3, Filter()));
    proto::SearchRequest request;
    EXPECT_TRUE(request.ParseFromString(server.calls().back().request));
    EXPECT_EQ(request.consistency_level(), common::Session);
    return request.guarantee_timestamp();
  };
  EXPECT_EQ(asked(), 1u);
  EXPECT_OK(collection->Put({}, std::vector<CollectionRow>{{.id = 1, .vector = query}}));
  EXPECT_EQ(asked(), kTime);
}

// The most Upserts of one Put that are under way at once on a server of that version; waits a while for a second one.
size_t UpsertsAtOnce(const std::string& version) {
  std::mutex mutex;
  std::condition_variable changed;
  size_t now = 0;
  size_t most = 0;
  RecordingGrpcServer server([&](size_t, const RecordedCall& call) {
    if (call.method == "GetVersion") {
      proto::GetVersionResponse response;
      response.set_version(version);
      return GrpcReply{.response = response.SerializeAsString()};
    }
    if (call.method == "GetLoadState") {
      proto::GetLoadStateResponse loaded;
      loaded.set_state(common::LoadStateLoaded);
      return GrpcReply{.response = loaded.SerializeAsString()};
    }
    if (call.method == "Upsert") {
      std::unique_lock lock(mutex);
      most = std::max(most, ++now);
      changed.notify_all();
      const std::chrono::milliseconds pause(version.starts_with("milvus_lite") ? 200 : 10000);
      changed.wait_for(lock, pause, [&] { return most > 1; });
      --now;
    }
    return GrpcReply{};
  });
  const auto milvus = Value(MilvusServer::Open({}, {.uri = StrCat("127.0.0.1:", server.port())}));
  const auto collection = Value(milvus->OpenOrMake({}, Spec()));
  std::vector<CollectionRow> rows;
  for (int64_t id = 1; id <= 5000; ++id) rows.push_back({.id = id, .vector = {1, 0, 0}});
  EXPECT_OK(collection->Put({}, rows));
  return most;
}

TEST(MilvusCollection, MilvusLiteIsWrittenToByOneRequestAtATime) {
  EXPECT_EQ(UpsertsAtOnce("milvus_lite-3.2.2"), 1u);
  EXPECT_EQ(UpsertsAtOnce("v2.6.3"), 2u);
}

TEST_F(MilvusChannelTest, ACollectionWhoseMakingWasNotHeardOfIsTaken) {
  // The first CreateCollection works and its answer is lost; the second finds the collection there.
  std::mutex mutex;
  std::string made;
  int attempts = 0;
  RecordingGrpcServer server([&](size_t, const RecordedCall& call) {
    const std::lock_guard lock(mutex);
    if (call.method == "HasCollection") return attempts > 0 ? AnswerTrue() : GrpcReply{};
    if (call.method == "CreateCollection") {
      proto::CreateCollectionRequest request;
      request.ParseFromString(call.request);
      made = request.schema();
      if (++attempts == 1) return GrpcReply{.code = 14, .message = "connection reset"};
      common::Status there;
      there.set_code(65535);
      there.set_reason("the collection exists");
      return Answer(there);
    }
    if (call.method == "DescribeCollection") {
      proto::DescribeCollectionResponse description;
      description.mutable_schema()->ParseFromString(made);
      return Answer(description);
    }
    if (call.method == "GetLoadState") {
      proto::GetLoadStateResponse loaded;
      loaded.set_state(common::LoadStateLoaded);
      return Answer(loaded);
    }
    return GrpcReply{};
  });
  EXPECT_OK(Value(MilvusServer::Open({}, Options(server)))->OpenOrMake({}, Spec()));
  EXPECT_EQ(attempts, 2);
}

// ---- TLS, with authorities made for the test.

class MilvusTlsTest : public MilvusChannelTest {
 protected:
  void SetUp() override {
    // One authority signs a server called milvus.test and a client; another signs nothing.
    const std::string make = StrCat("cd '", folder_.path().string(), R"(' && exec >log 2>&1 &&
      new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes" &&
      for who in authority stranger; do
        openssl req -x509 $new -days 2 -subj /CN=$who -keyout $who.key -out $who.pem || exit 1
      done &&
      echo subjectAltName=DNS:milvus.test >names &&
      for who in server client; do
        openssl req $new -subj /CN=milvus.test -keyout $who.key -out $who.csr &&
        openssl x509 -req -in $who.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
          -extfile names -out $who.pem || exit 1
      done)");
    ASSERT_EQ(std::system(make.c_str()), 0) << "it needs openssl: " << Text("log");
  }
  std::string Path(const char* name) const { return (folder_.path() / name).string(); }
  std::string Text(const char* name) const { return Value(ReadFile(Path(name))); }
  Result<bool> Ask(const RecordingGrpcServer& server, MilvusOptions options) const {
    options.uri = StrCat("https://127.0.0.1:", server.port());
    options.retry.attempts_max = 1;
    RAGTIME_ASSIGN_OR_RETURN(const auto milvus, MilvusServer::Open({}, options));
    return milvus->Exists({}, "x");
  }

  const TemporaryFolder folder_;
};

TEST_F(MilvusTlsTest, KnowsTheServerByItsAuthority) {
  RecordingGrpcServer server([](size_t, const RecordedCall&) { return AnswerTrue(); },
                             {.certificate = Text("server.pem"), .key = Text("server.key")});
  MilvusOptions options{.ca_file = Path("authority.pem"), .server_name = "milvus.test"};
  EXPECT_TRUE(Value(Ask(server, options)));
  options.server_name = "another.test";
  EXPECT_THAT(Ask(server, options), StatusIs(StatusCode::kUnavailable));
  options = {.ca_file = Path("stranger.pem"), .server_name = "milvus.test"};
  EXPECT_THAT(Ask(server, options), StatusIs(StatusCode::kUnavailable));
  options.ca_file = "";
  EXPECT_THAT(Ask(server, options), StatusIs(StatusCode::kUnavailable)) << "no authority of the system signed it";
  options.ca_file = Path("nothing.pem");
  const Status missing = Ask(server, options).status();
  EXPECT_THAT(missing, StatusIs(StatusCode::kNotFound));
  EXPECT_NE(missing.message().find("nothing.pem"), std::string::npos) << missing.ToString();
}

TEST_F(MilvusTlsTest, ShowsItsOwnCertificate) {
  RecordingGrpcServer server(
      [](size_t, const RecordedCall&) { return AnswerTrue(); },
      {.certificate = Text("server.pem"), .key = Text("server.key"), .client_authority = Text("authority.pem")});
  MilvusOptions options{.ca_file = Path("authority.pem"), .server_name = "milvus.test"};
  EXPECT_THAT(Ask(server, options), StatusIs(StatusCode::kUnavailable));
  options.certificate_file = Path("client.pem");
  options.key_file = Path("client.key");
  EXPECT_TRUE(Value(Ask(server, options)));
}

}  // namespace
}  // namespace ragtime
