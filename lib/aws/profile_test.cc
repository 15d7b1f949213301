#include "lib/aws/profile.h"

#include <gtest/gtest.h>

namespace postern::aws {
namespace {

using Base = ProfilePlan::Base;

ProfilePlan MustPlan(const Profiles& profiles, std::string_view name) {
  auto plan = PlanProfile(profiles, name);
  EXPECT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan.ok() && plan->has_value());
  return plan.ok() && plan->has_value() ? **plan : ProfilePlan();
}

std::string ErrorOf(const Profiles& profiles, std::string_view name) {
  const auto plan = PlanProfile(profiles, name);
  return plan.ok() ? "no error" : std::string(plan.status().message());
}

TEST(ProfileTest, KeysOfTheCredentialsFile) {
  const Profiles profiles = Profiles::Parse(
      "# comment\n[other]\naws_access_key_id = O\naws_secret_access_key=OS\n\n"
      "[ default ]\r\n aws_access_key_id = A \r\nAWS_SECRET_ACCESS_KEY = S=/+\r\n"
      "region = x\naws_session_token = T\n[last]\naws_access_key_id = L\n",
      "");
  EXPECT_EQ(MustPlan(profiles, "default").keys, Credentials("A", "S=/+", "T"));
  EXPECT_EQ(MustPlan(profiles, "other").keys, Credentials("O", "OS"));
  EXPECT_FALSE(PlanProfile(profiles, "last")->has_value()) << "half a key";
  EXPECT_FALSE(PlanProfile(profiles, "none")->has_value());
  EXPECT_FALSE(PlanProfile(Profiles::Parse("[x", ""), "x")->has_value());
}

TEST(ProfileTest, ConfigFileHasProfilesUnderTheirPrefix) {
  const Profiles profiles = Profiles::Parse(
      "[dev]\naws_access_key_id=A\naws_secret_access_key=S\nregion=from-credentials\n",
      "[profile dev]\nregion = eu-west-1\naws_access_key_id = C\n[dev]\nregion = not-this\n"
      "[profile other]\naws_access_key_id=B\naws_secret_access_key=BS\ns3 =\n  region = nested\n"
      "[services x]\nregion = no\n[default]\nregion = d\n");
  EXPECT_EQ(MustPlan(profiles, "dev").keys, Credentials("A", "S"));
  EXPECT_EQ(MustPlan(profiles, "dev").region, "from-credentials");
  EXPECT_EQ(MustPlan(profiles, "other").keys, Credentials("B", "BS"));
  EXPECT_EQ(profiles.Get("other", "region"), "");
  EXPECT_EQ(profiles.Get("default", "region"), "d");
  EXPECT_FALSE(profiles.Has("x"));
}

TEST(ProfileTest, RolesAreAssumedFromTheSourceOn) {
  const Profiles profiles = Profiles::Parse(
      "[base]\naws_access_key_id=A\naws_secret_access_key=S\n",
      "[profile first]\nrole_arn=arn:first\nsource_profile=base\nexternal_id=E\n"
      "duration_seconds=60\n"
      "[profile second]\nrole_arn=arn:second\nsource_profile=first\nrole_session_name=me\n"
      "region=eu-west-1\n"
      "[profile self]\nrole_arn=arn:self\nsource_profile=self\naws_access_key_id=X\n"
      "aws_secret_access_key=XS\n");
  const ProfilePlan plan = MustPlan(profiles, "second");
  EXPECT_EQ(plan.base, Base::kKeys);
  EXPECT_EQ(plan.keys.access_key_id, "A");
  EXPECT_EQ(plan.region, "eu-west-1");
  ASSERT_EQ(plan.roles.size(), 2u);
  EXPECT_EQ(plan.roles[0], (RoleStep{"arn:first", "", "E", 900}));
  EXPECT_EQ(plan.roles[1], (RoleStep{"arn:second", "me", "", 3600}));
  const ProfilePlan self = MustPlan(profiles, "self");
  EXPECT_EQ(self.keys.access_key_id, "X");
  ASSERT_EQ(self.roles.size(), 1u);
}

TEST(ProfileTest, SourcesThatAreNoProfiles) {
  const Profiles profiles =
      Profiles::Parse("",
                      "[profile ec2]\nrole_arn=r\ncredential_source=Ec2InstanceMetadata\n"
                      "[profile ecs]\nrole_arn=r\ncredential_source=EcsContainer\n"
                      "[profile env]\nrole_arn=r\ncredential_source=Environment\n"
                      "[profile odd]\nrole_arn=r\ncredential_source=Moon\n"
                      "[profile web]\nrole_arn=w\nweb_identity_token_file=/t\n"
                      "[profile over]\nrole_arn=o\nsource_profile=web\n");
  EXPECT_EQ(MustPlan(profiles, "ec2").base, Base::kInstance);
  EXPECT_EQ(MustPlan(profiles, "ecs").base, Base::kContainer);
  EXPECT_EQ(MustPlan(profiles, "env").base, Base::kEnvironment);
  EXPECT_EQ(ErrorOf(profiles, "odd"),
            "AWS profile \"odd\": credential_source \"Moon\" is none of Environment, EcsContainer, "
            "Ec2InstanceMetadata");
  const ProfilePlan over = MustPlan(profiles, "over");
  EXPECT_EQ(over.base, Base::kWebIdentity);
  EXPECT_EQ(over.token_file, "/t");
  EXPECT_EQ(over.web_identity.role_arn, "w");
  ASSERT_EQ(over.roles.size(), 1u);
  EXPECT_EQ(over.roles[0].role_arn, "o");
}

TEST(ProfileTest, WhatLeadsNowhereIsAnError) {
  const Profiles profiles = Profiles::Parse(
      "",
      "[profile a]\nrole_arn=r\nsource_profile=b\n[profile b]\nrole_arn=r\nsource_profile=a\n"
      "[profile gone]\nrole_arn=r\nsource_profile=nobody\n"
      "[profile half]\nrole_arn=r\n[profile empty]\nregion=x\n"
      "[profile from_empty]\nrole_arn=r\nsource_profile=empty\n"
      "[profile process]\ncredential_process=/bin/x\n"
      "[profile sso]\nsso_session=s\n");
  EXPECT_EQ(ErrorOf(profiles, "a"),
            "AWS profile \"a\": its source_profile leads round in a circle");
  EXPECT_EQ(ErrorOf(profiles, "gone"),
            "AWS profile \"nobody\": there is no such profile, though another has it for its "
            "source_profile");
  EXPECT_EQ(ErrorOf(profiles, "half"),
            "AWS profile \"half\": role_arn needs source_profile or credential_source");
  EXPECT_EQ(ErrorOf(profiles, "from_empty"),
            "AWS profile \"empty\": it has no keys for the role that is to be assumed with it");
  EXPECT_EQ(ErrorOf(profiles, "process"),
            "AWS profile \"process\": credential_process is not supported");
  EXPECT_EQ(ErrorOf(profiles, "sso"), "AWS profile \"sso\": sso_session is not supported");
  EXPECT_FALSE(PlanProfile(profiles, "empty")->has_value()) << "the chain goes on";
}

}  // namespace
}  // namespace postern::aws
