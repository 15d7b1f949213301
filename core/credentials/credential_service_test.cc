#include "core/credentials/credential_service.h"

#include <gtest/gtest.h>

#include <string>

#include "core/upstream/test_support.h"
#include "lib/text/concat.h"
#include "lib/text/time_format.h"

namespace postern {
namespace {

std::string InMs(Dispatcher* dispatcher, int64_t ms) {
  char text[kIsoTimeSize];
  return std::string(FormatIsoTime(dispatcher->WallMs() + ms, text));
}

class Counted final : public MetricsSink {
 public:
  void Counter(const MetricFamily& family, MetricLabels labels, uint64_t value) override {
    values[Name(family, labels)] = static_cast<double>(value);
  }
  void Counter(const MetricFamily&, MetricLabels, double) override {}
  void Gauge(const MetricFamily& family, MetricLabels labels, double value) override {
    values[Name(family, labels)] = value;
  }
  void Histogram(const MetricFamily&, MetricLabels, std::span<const double>,
                 std::span<const uint64_t>, double) override {}
  void Info(const MetricFamily&, MetricLabels) override {}
  static std::string Name(const MetricFamily& family, MetricLabels labels) {
    std::string out(family.name);
    for (const MetricLabel& label : labels) out += Concat(" ", label.value);
    return out;
  }
  std::map<std::string, double> values;
};

/// A loop with a service on it, and one fake server that is container endpoint, instance metadata
/// and STS at once.
class CredentialServiceTest : public ::testing::Test {
 protected:
  CredentialServiceTest()
      : server_(&dispatcher_,
                [this](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
                  script_(peer, request);
                }) {
    url_ = Concat("http://127.0.0.1:", server_.port());
    options_.surroundings = CredentialSurroundings::OfProcess();
    options_.surroundings.environment = {{"HOME", folder_.path()},
                                         {"AWS_EC2_METADATA_DISABLED", "true"}};
    EXPECT_TRUE(options_.endpoints.Add(Concat("sts=", url_)).ok());
    options_.first_pause_ms = 10;
    options_.longest_pause_ms = 40;
    script_ = [](FakeUpstream::Peer* peer, const FakeUpstream::Request&) { peer->Answer("", 500); };
  }
  ~CredentialServiceTest() override {
    service_.reset();
    RunFor(&dispatcher_, 5);
  }

  CredentialService& Service() {
    if (service_ == nullptr) {
      service_ = std::make_unique<CredentialService>(&dispatcher_, options_);
    }
    return *service_;
  }
  bool Until(const std::function<bool()>& done) { return RunUntil(&dispatcher_, done, 20000); }
  std::string Json(std::string_view id, int64_t ms) {
    return Concat("{\"AccessKeyId\":\"", id, "\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",",
                  "\"Expiration\":\"", InMs(&dispatcher_, ms), "\"}");
  }
  std::string Xml(std::string_view id, int64_t ms) {
    return Concat("<R><Credentials><AccessKeyId>", id,
                  "</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T",
                  "</SessionToken><Expiration>", InMs(&dispatcher_, ms),
                  "</Expiration></Credentials></R>");
  }
  static std::string IdOf(const std::shared_ptr<CredentialCell>& cell) {
    const auto value = cell->Get().value;
    return value != nullptr ? value->access_key_id : "(none)";
  }

  Dispatcher dispatcher_;
  TempDir folder_;
  FakeUpstream::Script script_;
  FakeUpstream server_;
  std::string url_;
  CredentialService::Options options_;
  std::unique_ptr<CredentialService> service_;
};

TEST_F(CredentialServiceTest, KeysOfTheEnvironmentAreThereAtOnce) {
  options_.surroundings.environment["AWS_ACCESS_KEY_ID"] = "E";
  options_.surroundings.environment["AWS_SECRET_ACCESS_KEY"] = "ES";
  const auto cell = Service().ForRole("");
  EXPECT_EQ(IdOf(cell), "E");
  EXPECT_EQ(Service().ForRole(""), cell);
  bool known = false;
  Service().WhenKnown(1000, [&known](bool all) { known = all; });
  EXPECT_TRUE(known);
  EXPECT_EQ(server_.requests, 0);
}

// authorization.md §12.2: a file is read anew when it changes.
TEST_F(CredentialServiceTest, ChangedFilesAreTakenUp) {
  options_.surroundings.environment["AWS_SHARED_CREDENTIALS_FILE"] = folder_ / "credentials";
  const auto cell = Service().ForRole("");
  EXPECT_EQ(IdOf(cell), "(none)");
  EXPECT_TRUE(cell->Get().problem.starts_with("no AWS credentials")) << cell->Get().problem;
  WriteFile(folder_ / "credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=S\n");
  EXPECT_TRUE(Until([&] { return IdOf(cell) == "A"; }));
  WriteFile(folder_ / "credentials", "[default]\naws_access_key_id=B2\naws_secret_access_key=S\n");
  EXPECT_TRUE(Until([&] { return IdOf(cell) == "B2"; }));
}

TEST_F(CredentialServiceTest, ContainersAreRenewedAheadOfTheirEnd) {
  options_.surroundings.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url_ + "/c?x=1";
  options_.surroundings.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "secret";
  int count = 0;
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
    EXPECT_EQ(request.target(), "/c?x=1");
    EXPECT_NE(request.head.find("Authorization: secret\r\n"), std::string::npos);
    peer->Answer(Json(Concat("C", ++count), 1500));
  };
  const auto cell = Service().ForRole("");
  bool known = false;
  Service().WhenKnown(10000, [&known](bool all) { known = all; });
  EXPECT_FALSE(known);
  ASSERT_TRUE(Until([&] { return known; }));
  EXPECT_EQ(IdOf(cell), "C1");
  const uint64_t before = dispatcher_.NowMs();
  ASSERT_TRUE(Until([&] { return IdOf(cell) == "C2"; }));
  EXPECT_LT(dispatcher_.NowMs() - before, 10000u);
  Counted counted;
  Service().Collect(&counted);
  EXPECT_GE(counted.values["postern_credentials_refreshes gateway container"], 2);
  EXPECT_EQ(counted.values["postern_credentials_usable gateway"], 1);
  EXPECT_GT(counted.values["postern_credentials_expiry_seconds gateway"], -60);
}

TEST_F(CredentialServiceTest, FailuresAreRepeatedWithPausesAndCounted) {
  options_.surroundings.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url_ + "/c";
  int count = 0;
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    if (++count < 4) return peer->Answer("no", 403);
    peer->Answer(Json("OK", 3600000));
  };
  const auto cell = Service().ForRole("");
  bool called = false;
  Service().WhenKnown(10000, [&called](bool) { called = true; });
  ASSERT_TRUE(Until([&] { return called; }));
  EXPECT_EQ(cell->Get().problem, "the container credential endpoint answers 403");
  ASSERT_TRUE(Until([&] { return IdOf(cell) == "OK"; }));
  Counted counted;
  Service().Collect(&counted);
  EXPECT_EQ(counted.values["postern_credentials_failures gateway"], 3);
}

TEST_F(CredentialServiceTest, WaitingHasALimit) {
  options_.surroundings.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url_ + "/c";
  script_ = [](FakeUpstream::Peer*, const FakeUpstream::Request&) {};
  const auto cell = Service().ForRole("");
  int called = 0;
  bool all = true;
  Service().WhenKnown(20, [&](bool known) {
    ++called;
    all = known;
  });
  ASSERT_TRUE(Until([&] { return called > 0; }));
  EXPECT_FALSE(all);
}

// authorization.md §12.2, row IMDSv2.
TEST_F(CredentialServiceTest, InstanceMetadata) {
  options_.surroundings.environment.erase("AWS_EC2_METADATA_DISABLED");
  options_.surroundings.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url_;
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
    const std::string target = request.target();
    if (target == "/latest/api/token") {
      EXPECT_EQ(request.method(), "PUT");
      EXPECT_NE(request.head.find("X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"),
                std::string::npos);
      return peer->Answer("TOKEN");
    }
    EXPECT_NE(request.head.find("X-aws-ec2-metadata-token: TOKEN\r\n"), std::string::npos);
    if (target == "/latest/meta-data/iam/security-credentials/") return peer->Answer("my-role\n");
    EXPECT_EQ(target, "/latest/meta-data/iam/security-credentials/my-role");
    peer->Answer(Json("I", 3600000));
  };
  const auto cell = Service().ForRole("");
  EXPECT_TRUE(Until([&] { return IdOf(cell) == "I"; })) << cell->Get().problem;
}

TEST_F(CredentialServiceTest, NeverInstanceMetadataWithoutToken) {
  options_.surroundings.environment.erase("AWS_EC2_METADATA_DISABLED");
  options_.surroundings.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url_;
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
    EXPECT_EQ(request.target(), "/latest/api/token");
    peer->Answer("", 404);
  };
  const auto cell = Service().ForRole("");
  EXPECT_TRUE(Until([&] { return cell->generation() > 1; }));
  EXPECT_EQ(cell->Get().problem, "the instance metadata service answers 404");
}

// authorization.md §12.2, row "Web identity": unsigned, the token read anew each time.
TEST_F(CredentialServiceTest, WebIdentity) {
  WriteFile(folder_ / "token", "one");
  options_.surroundings.environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_ / "token";
  options_.surroundings.environment["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/w";
  options_.surroundings.environment["AWS_ROLE_SESSION_NAME"] = "me";
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
    EXPECT_EQ(request.head.find("uthorization:"), std::string::npos);
    EXPECT_NE(request.body.find("Action=AssumeRoleWithWebIdentity&"), std::string::npos);
    EXPECT_NE(request.body.find("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fw&RoleSessionName=me&"),
              std::string::npos);
    const size_t at = request.body.find("WebIdentityToken=");
    peer->Answer(Xml(request.body.substr(at + 17), 3600000));
  };
  const auto cell = Service().ForRole("");
  EXPECT_TRUE(Until([&] { return IdOf(cell) == "one"; })) << cell->Get().problem;
  WriteFile(folder_ / "token", "twice");
  EXPECT_TRUE(Until([&] { return IdOf(cell) == "twice"; }));
}

// authorization.md §12.1, "Integration credentials": AssumeRole with the gateway's identity.
TEST_F(CredentialServiceTest, RolesAreAssumed) {
  options_.surroundings.environment["AWS_ACCESS_KEY_ID"] = "BASE";
  options_.surroundings.environment["AWS_SECRET_ACCESS_KEY"] = "S";
  options_.surroundings.environment["AWS_REGION"] = "eu-west-1";
  options_.roles = {*RoleUse::Parse("arn:*:role/own=gateway"),
                    *RoleUse::Parse("arn:aws:iam::1:role/p=profile:other")};
  WriteFile(folder_ / "credentials", "[other]\naws_access_key_id=OTHER\naws_secret_access_key=S\n");
  options_.surroundings.environment["AWS_SHARED_CREDENTIALS_FILE"] = folder_ / "credentials";
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request& request) {
    EXPECT_NE(request.head.find("Credential=BASE/"), std::string::npos);
    EXPECT_NE(request.head.find("/eu-west-1/sts/aws4_request"), std::string::npos);
    if (request.body.find("role%2Fdenied") != request.body.npos) {
      return peer->Answer("<E><Code>AccessDenied</Code><Message>no</Message></E>", 403);
    }
    EXPECT_TRUE(request.body.starts_with(
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&"
        "RoleSessionName=postern-"))
        << request.body;
    peer->Answer(Xml("ROLE", 3600000));
  };
  const auto own = Service().ForRole("");
  const auto role = Service().ForRole("arn:aws:iam::1:role/r");
  EXPECT_NE(own, role);
  EXPECT_EQ(Service().ForRole("arn:aws:iam::1:role/own"), own);
  const auto profile = Service().ForRole("arn:aws:iam::1:role/p");
  EXPECT_EQ(IdOf(profile), "OTHER");
  const auto denied = Service().ForRole("arn:aws:iam::1:role/denied");
  EXPECT_TRUE(Until([&] { return IdOf(role) == "ROLE" && denied->generation() > 0; }));
  EXPECT_EQ(IdOf(own), "BASE");
  EXPECT_EQ(denied->Get().problem, "STS answers 403 AccessDenied: no");
}

// authorization.md §12.2, "after ExpiredToken from a service": renewed at once, but not for each
// request that was refused.
TEST_F(CredentialServiceTest, RefusedCredentialsAreRenewed) {
  options_.surroundings.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url_ + "/c";
  int count = 0;
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer(Json(Concat("C", ++count), 3600000));
  };
  const auto cell = Service().ForRole("");
  ASSERT_TRUE(Until([&] { return IdOf(cell) == "C1"; }));
  const uint64_t generation = cell->generation();
  EXPECT_TRUE(cell->Refused(generation - 1)) << "others are there already";
  // The pause since the last one must be over.
  ASSERT_TRUE(Until([&] {
    cell->Refused(generation);
    return cell->generation() != generation;
  }));
  EXPECT_EQ(IdOf(cell), "C2");
  RunFor(&dispatcher_, 20);
  EXPECT_EQ(count, 2);
}

TEST_F(CredentialServiceTest, NobodyWantsThem) {
  options_.surroundings.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url_ + "/c";
  int count = 0;
  script_ = [&](FakeUpstream::Peer* peer, const FakeUpstream::Request&) {
    peer->Answer(Json(Concat("C", ++count), 1100));
  };
  auto cell = Service().ForRole("");
  ASSERT_TRUE(Until([&] { return IdOf(cell) == "C1"; }));
  cell.reset();
  RunFor(&dispatcher_, 1500);
  EXPECT_EQ(count, 1) << "not renewed";
  cell = Service().ForRole("");
  ASSERT_TRUE(Until([&] { return IdOf(cell) == "C2"; }));
}

TEST(RoleUseTest, Parse) {
  EXPECT_EQ(RoleUse::Parse("arn:aws:iam::1:role/a=b=gateway")->role, "arn:aws:iam::1:role/a=b");
  EXPECT_EQ(RoleUse::Parse("*=assume")->kind, RoleUse::Kind::kAssume);
  EXPECT_EQ(RoleUse::Parse("r=profile:x")->profile, "x");
  for (const char* wrong : {"", "r", "=gateway", "r=", "r=profile:", "r=other"}) {
    EXPECT_FALSE(RoleUse::Parse(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace postern
