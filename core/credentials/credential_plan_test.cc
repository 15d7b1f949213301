#include "core/credentials/credential_plan.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

using Source = CredentialPlan::Source;
using Environment = std::map<std::string, std::string, std::less<>>;

struct Fixture {
  absl::StatusOr<CredentialPlan> Plan(std::string_view profile = "") {
    surroundings.environment = environment;
    surroundings.read = [this](const std::string& path) -> absl::StatusOr<std::string> {
      const auto found = texts.find(path);
      if (found == texts.end()) return absl::NotFoundError(path + ": not there");
      return found->second;
    };
    files.clear();
    return PlanCredentials(surroundings, profile, &files);
  }
  std::string Error(std::string_view profile = "") {
    const auto plan = Plan(profile);
    return plan.ok() ? "no error" : std::string(plan.status().message());
  }

  Environment environment = {{"HOME", "/home/p"}};
  std::map<std::string, std::string> texts;
  CredentialSurroundings surroundings;
  std::vector<std::string> files;
};

// authorization.md §12.2: the order of the chain.
TEST(CredentialPlanTest, FirstThatIsSetUpCounts) {
  Fixture f;
  EXPECT_EQ(f.Plan()->source, Source::kInstance);
  EXPECT_EQ(f.Plan()->url, "http://169.254.169.254");
  EXPECT_EQ(f.files.size(), 2u) << "shared files are looked for, and watched";

  f.environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/x";
  f.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:1/full";
  EXPECT_EQ(f.Plan()->source, Source::kContainer);
  EXPECT_EQ(f.Plan()->url, "http://169.254.170.2/v2/credentials/x");

  f.environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/token";
  EXPECT_EQ(f.Error(), "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
  f.environment["AWS_ROLE_ARN"] = "arn:role";
  EXPECT_EQ(f.Error(), "/token: not there") << "what is set up and fails is not passed over";
  f.texts["/token"] = "eyJ.x.y\n";
  EXPECT_EQ(f.Plan()->source, Source::kWebIdentity);
  EXPECT_EQ(f.Plan()->token, "eyJ.x.y");
  EXPECT_EQ(f.Plan()->web_identity.role_arn, "arn:role");
  EXPECT_EQ(f.files.back(), "/token");

  f.texts["/home/p/.aws/credentials"] =
      "[default]\naws_access_key_id=F\naws_secret_access_key=FS\n";
  EXPECT_EQ(f.Plan()->keys.access_key_id, "F");

  f.environment["AWS_ACCESS_KEY_ID"] = "E";
  EXPECT_EQ(f.Plan()->keys.access_key_id, "F") << "half a key is none";
  f.environment["AWS_SECRET_ACCESS_KEY"] = "ES";
  f.environment["AWS_SESSION_TOKEN"] = "ET";
  EXPECT_EQ(f.Plan()->keys, aws::Credentials("E", "ES", "ET"));
  EXPECT_EQ(f.Plan()->name, "environment");
}

TEST(CredentialPlanTest, NothingIsSetUp) {
  Fixture f;
  f.environment["AWS_EC2_METADATA_DISABLED"] = "true";
  EXPECT_TRUE(absl::IsNotFound(f.Plan().status()));
  EXPECT_TRUE(f.Error().starts_with("no AWS credentials: "));
}

TEST(CredentialPlanTest, Profiles) {
  Fixture f;
  f.environment["AWS_SHARED_CREDENTIALS_FILE"] = "/c";
  f.environment["AWS_CONFIG_FILE"] = "/g";
  f.environment["AWS_PROFILE"] = "dev";
  EXPECT_EQ(f.Error(), "AWS profile \"dev\": there is no such profile with keys or a role");
  f.texts["/c"] = "[dev]\naws_access_key_id=D\naws_secret_access_key=DS\n";
  f.texts["/g"] =
      "[profile dev]\nregion=eu-west-1\n[profile role]\nrole_arn=arn:r\nsource_profile=dev\n"
      "[profile env]\nrole_arn=arn:e\ncredential_source=Environment\n"
      "[profile imds]\nrole_arn=arn:i\ncredential_source=Ec2InstanceMetadata\n";
  EXPECT_EQ(f.Plan()->keys.access_key_id, "D");
  EXPECT_EQ(f.Plan()->region, "eu-west-1");
  const auto role = f.Plan("role");
  ASSERT_TRUE(role.ok());
  ASSERT_EQ(role->roles.size(), 1u);
  EXPECT_EQ(role->roles[0].role_arn, "arn:r");
  EXPECT_EQ(f.Error("env"),
            "AWS profile \"env\": the environment, its credential_source, has no credentials");
  f.environment["AWS_REGION"] = "us-west-2";
  f.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:99/";
  const auto imds = f.Plan("imds");
  ASSERT_TRUE(imds.ok());
  EXPECT_EQ(imds->source, Source::kInstance);
  EXPECT_EQ(imds->url, "http://127.0.0.1:99");
  EXPECT_EQ(imds->region, "us-west-2");
}

TEST(CredentialPlanTest, TokensOfContainers) {
  Fixture f;
  f.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://localhost:1/c";
  f.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "direct";
  EXPECT_EQ(f.Plan()->token, "direct");
  f.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "a\r\nb";
  EXPECT_EQ(f.Error(), "AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break in it");
  f.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/t";
  f.texts["/t"] = "of the file\r\n";
  EXPECT_EQ(f.Plan()->token, "of the file");
  f.texts["/t"] = "a\nb";
  EXPECT_EQ(f.Error(), "/t: does not hold a token");
}

// authorization.md §12.2, "plain-HTTP guard".
TEST(CredentialPlanTest, PlainHttpGuard) {
  for (const char* url :
       {"https://example.com/x", "http://127.0.0.1/", "http://127.9.9.9:80/", "http://[::1]:1/",
        "http://localhost/", "http://169.254.170.2/", "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials"}) {
    EXPECT_TRUE(CheckContainerUrl(url).ok()) << url;
  }
  for (const char* url : {"http://example.com/x", "http://127.0.0.1.example.com/",
                          "http://169.254.169.254/", "http://10.0.0.1/", "ftp://127.0.0.1/", ""}) {
    EXPECT_FALSE(CheckContainerUrl(url).ok()) << url;
  }
}

TEST(CredentialPlanTest, OfProcess) {
  const CredentialSurroundings surroundings = CredentialSurroundings::OfProcess();
  for (const auto& [name, value] : surroundings.environment) {
    EXPECT_TRUE(name.starts_with("AWS_") || name == "HOME") << name;
  }
  EXPECT_TRUE(absl::IsNotFound(surroundings.read("/there/is/no/such/file").status()));
  EXPECT_FALSE(surroundings.read("/").ok());
}

}  // namespace
}  // namespace postern
