#include "lib/policy/condition.h"

#include <initializer_list>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace postern::policy {
namespace {

Condition Make(std::string_view op, std::string_view key,
               std::initializer_list<std::string_view> values) {
  absl::StatusOr<Condition> condition = Condition::Make(op, key, true);
  EXPECT_TRUE(condition.ok()) << op << ": " << condition.status();
  for (const std::string_view value : values) {
    const absl::Status status = condition->AddValue(value);
    EXPECT_TRUE(status.ok()) << op << " " << value << ": " << status;
  }
  return *std::move(condition);
}

// Whether it holds where aws:Referer has that value, in a statement that allows.
bool Holds(std::string_view op, std::initializer_list<std::string_view> values,
           std::optional<std::string_view> referer, bool deny = false) {
  ConditionContext context;
  context.Set(ConditionKey::kUserName, "bo*b");
  if (referer) context.Set(ConditionKey::kReferer, *referer);
  return Make(op, "aws:Referer", values).Holds(context, deny);
}

// authorization.md §3.5, the table of operators.
TEST(ConditionTest, Strings) {
  EXPECT_TRUE(Holds("StringEquals", {"a", "b"}, "b"));
  EXPECT_FALSE(Holds("StringEquals", {"a"}, "A"));
  EXPECT_FALSE(Holds("StringEquals", {"a*"}, "ab"));
  EXPECT_TRUE(Holds("StringEquals", {"a*"}, "a*"));
  EXPECT_TRUE(Holds("StringEquals", {""}, ""));
  EXPECT_FALSE(Holds("StringNotEquals", {"a", "b"}, "b"));
  EXPECT_TRUE(Holds("StringNotEquals", {"a", "b"}, "c"));
  EXPECT_TRUE(Holds("StringEqualsIgnoreCase", {"Abc"}, "aBC"));
  EXPECT_FALSE(Holds("StringNotEqualsIgnoreCase", {"Abc"}, "aBC"));
  EXPECT_TRUE(Holds("StringLike", {"x", "https://*.example/?"}, "https://a.b.example/1"));
  EXPECT_FALSE(Holds("StringLike", {"https://*.example/?"}, "https://a.example/"));
  EXPECT_FALSE(Holds("StringLike", {"A*"}, "ab"));
  EXPECT_FALSE(Holds("StringNotLike", {"x", "a*"}, "ab"));
  EXPECT_TRUE(Holds("StringNotLike", {"x", "a*"}, "b"));
}

TEST(ConditionTest, Numbers) {
  EXPECT_TRUE(Holds("NumericEquals", {"1.50"}, "1.5"));
  EXPECT_TRUE(Holds("NumericEquals", {"150"}, "1.5e2"));
  EXPECT_TRUE(Holds("NumericNotEquals", {"1"}, "2"));
  EXPECT_TRUE(Holds("NumericLessThan", {"10"}, "9"));
  EXPECT_FALSE(Holds("NumericLessThan", {"10"}, "10"));
  EXPECT_TRUE(Holds("NumericLessThanEquals", {"10"}, "10"));
  EXPECT_TRUE(Holds("NumericGreaterThan", {"-1"}, "-0.5"));
  EXPECT_FALSE(Holds("NumericGreaterThan", {"10"}, "10"));
  EXPECT_TRUE(Holds("NumericGreaterThanEquals", {"10"}, "+10"));
  for (const char* bad :
       {"", "abc", "1x", " 1", "0x10", "inf", "nan", "1e400", "+-1", "--1", "."}) {
    EXPECT_FALSE(Holds("NumericEquals", {"1"}, bad)) << bad;
    EXPECT_FALSE(Holds("NumericNotEquals", {"1"}, bad)) << bad;
    EXPECT_TRUE(Holds("NumericNotEquals", {"1"}, bad, /*deny=*/true)) << bad;
  }
}

TEST(ConditionTest, Dates) {
  EXPECT_EQ(ParsePolicyDate("1970"), 0);
  EXPECT_EQ(ParsePolicyDate("1970-02"), 31 * 86400000LL);
  EXPECT_EQ(ParsePolicyDate("2026-07-20"), 1784505600000);
  EXPECT_EQ(ParsePolicyDate("2026-07-20T01:56Z"), 1784512560000);
  EXPECT_EQ(ParsePolicyDate("2026-07-20T01:56:20Z"), 1784512580000);
  EXPECT_EQ(ParsePolicyDate("2026-07-20T03:56:20.2537+02:00"), 1784512580253);
  EXPECT_EQ(ParsePolicyDate("2026-07-19T20:26:20-05:30"), 1784512580000);
  EXPECT_EQ(ParsePolicyDate("1784512580"), 1784512580000);
  EXPECT_EQ(ParsePolicyDate("-1"), -1000);
  for (const char* bad :
       {"", "-", "now", "2026-13-01", "2026-02-30", "2026-07-20T01:56:20", "2026-07-20T24:00Z",
        "2026-07-20T01:60Z", "2026-07-20T01:56:20.Z", "2026-07-20T01:56:20Zx", "26-07-20",
        "1784512580000000", "12a", "2026-07-20T01:56+24:00", "2026-07-20 01:56Z"}) {
    EXPECT_FALSE(ParsePolicyDate(bad).has_value()) << bad;
  }
  // Both forms are comparable.
  EXPECT_TRUE(Holds("DateEquals", {"2026-07-20T01:56:20Z"}, "1784512580"));
  EXPECT_TRUE(Holds("DateNotEquals", {"2026-07-20T01:56:20Z"}, "1784512581"));
  EXPECT_TRUE(Holds("DateLessThan", {"1784512580"}, "2026-07-20T01:56:19Z"));
  EXPECT_TRUE(Holds("DateLessThanEquals", {"1784512580"}, "2026-07-20T01:56:20Z"));
  EXPECT_TRUE(Holds("DateGreaterThan", {"2026-07-19"}, "2026-07-20"));
  EXPECT_FALSE(Holds("DateGreaterThanEquals", {"2026-07-21"}, "2026-07-20"));
  EXPECT_FALSE(Holds("DateLessThan", {"2026"}, "yesterday"));
}

TEST(ConditionTest, TheTimeOfTheCall) {
  ConditionContext context;
  context.SetTime(1784512580999);
  for (const char* key : {"aws:CurrentTime", "aws:EpochTime", "AWS:currenttime"}) {
    EXPECT_TRUE(Make("DateEquals", key, {"2026-07-20T01:56:20Z"}).Holds(context, false)) << key;
    EXPECT_FALSE(Make("DateGreaterThan", key, {"1784512580"}).Holds(context, false)) << key;
  }
  EXPECT_TRUE(Make("NumericLessThan", "aws:EpochTime", {"1784512581"}).Holds(context, false));
  EXPECT_TRUE(
      Make("StringEquals", "aws:CurrentTime", {"2026-07-20T01:56:20Z"}).Holds(context, false));
}

TEST(ConditionTest, Booleans) {
  EXPECT_TRUE(Holds("Bool", {"TRUE"}, "true"));
  EXPECT_TRUE(Holds("Bool", {"false"}, "False"));
  EXPECT_FALSE(Holds("Bool", {"true"}, "false"));
  EXPECT_FALSE(Holds("Bool", {"true"}, "1"));
}

TEST(ConditionTest, Binary) {
  EXPECT_TRUE(Holds("BinaryEquals", {"AQID", "QmluYXJ5"}, "QmluYXJ5"));
  EXPECT_FALSE(Holds("BinaryEquals", {"AQID"}, "AQIE"));
  EXPECT_FALSE(Holds("BinaryEquals", {"AQID"}, "not base64"));
  EXPECT_FALSE(Holds("BinaryEquals", {"AQID"}, std::string(100000, 'A')));
}

TEST(ConditionTest, Addresses) {
  EXPECT_TRUE(Holds("IpAddress", {"10.0.0.0/8"}, "10.255.0.1"));
  EXPECT_FALSE(Holds("IpAddress", {"10.0.0.0/8"}, "11.0.0.1"));
  EXPECT_TRUE(Holds("IpAddress", {"192.0.2.1"}, "192.0.2.1"));
  EXPECT_FALSE(Holds("IpAddress", {"192.0.2.1"}, "192.0.2.2"));
  EXPECT_TRUE(Holds("IpAddress", {"192.0.2.128/25"}, "192.0.2.200"));
  EXPECT_FALSE(Holds("IpAddress", {"192.0.2.128/25"}, "192.0.2.100"));
  EXPECT_TRUE(Holds("IpAddress", {"0.0.0.0/0"}, "203.0.113.7"));
  EXPECT_TRUE(Holds("IpAddress", {"2001:db8::/33"}, "2001:db8:7fff::1"));
  EXPECT_FALSE(Holds("IpAddress", {"2001:db8::/33"}, "2001:db8:8000::1"));
  EXPECT_TRUE(Holds("IpAddress", {"::1"}, "0:0:0:0:0:0:0:1"));
  // Families never match each other, and a mapped address is IPv4.
  EXPECT_FALSE(Holds("IpAddress", {"::/0"}, "203.0.113.7"));
  EXPECT_FALSE(Holds("IpAddress", {"0.0.0.0/0"}, "2001:db8::1"));
  EXPECT_TRUE(Holds("IpAddress", {"10.0.0.0/8"}, "::ffff:10.1.2.3"));
  EXPECT_TRUE(Holds("IpAddress", {"::ffff:10.0.0.0/104"}, "10.1.2.3"));
  EXPECT_FALSE(Holds("NotIpAddress", {"10.0.0.0/8", "192.0.2.0/24"}, "192.0.2.9"));
  EXPECT_TRUE(Holds("NotIpAddress", {"10.0.0.0/8"}, "192.0.2.9"));
  // What is no address is not let in by an allow, nor past a deny.
  EXPECT_FALSE(Holds("IpAddress", {"0.0.0.0/0"}, "10.0.0.256"));
  EXPECT_FALSE(Holds("NotIpAddress", {"10.0.0.0/8"}, "unknown"));
  EXPECT_TRUE(Holds("NotIpAddress", {"10.0.0.0/8"}, "unknown", /*deny=*/true));
  ConditionContext context;
  context.Set(ConditionKey::kSourceIp, "10.1.2.3");
  EXPECT_TRUE(Make("IpAddress", "aws:SourceIp", {"10.0.0.0/8"}).Holds(context, false));
}

TEST(ConditionTest, Arns) {
  constexpr std::string_view kRole = "arn:aws:iam::123456789012:role/team/reader";
  for (const char* op : {"ArnEquals", "ArnLike"}) {
    EXPECT_TRUE(Holds(op, {kRole}, kRole));
    EXPECT_TRUE(Holds(op, {"arn:aws:iam::*:role/team/*"}, kRole));
    EXPECT_TRUE(Holds(op, {"*"}, kRole));
    EXPECT_FALSE(Holds(op, {"arn:aws:iam::*:role/TEAM/*"}, kRole));
    // A star does not reach over a colon into the next part.
    EXPECT_FALSE(Holds(op, {"arn:aws:*:role/team/reader::"}, kRole));
    EXPECT_FALSE(Holds(op, {"arn:aws:iam::*:role/*"}, "no arn"));
  }
  EXPECT_FALSE(Holds("ArnNotEquals", {"arn:aws:iam::*:role/*"}, kRole));
  EXPECT_TRUE(Holds("ArnNotLike", {"arn:aws:iam::*:user/*"}, kRole));
}

TEST(ConditionTest, AbsentKeys) {
  for (const char* op : {"StringEquals", "NumericLessThan", "DateGreaterThan", "Bool", "IpAddress",
                         "ArnLike", "BinaryEquals"}) {
    const std::string_view value = std::string_view(op) == "Bool"           ? "true"
                                   : std::string_view(op) == "IpAddress"    ? "10.0.0.0/8"
                                   : std::string_view(op) == "ArnLike"      ? "*"
                                   : std::string_view(op) == "BinaryEquals" ? "AQID"
                                                                            : "2026";
    EXPECT_FALSE(Holds(op, {value}, std::nullopt)) << op;
    EXPECT_TRUE(Holds(std::string(op) + "IfExists", {value}, std::nullopt)) << op;
    EXPECT_TRUE(Holds("ForAllValues:" + std::string(op), {value}, std::nullopt)) << op;
    EXPECT_FALSE(Holds("ForAnyValue:" + std::string(op), {value}, std::nullopt)) << op;
  }
  EXPECT_TRUE(Holds("StringNotEquals", {"a"}, std::nullopt));
  EXPECT_TRUE(Holds("NotIpAddress", {"10.0.0.0/8"}, std::nullopt));
  EXPECT_TRUE(Holds("ArnNotLike", {"*"}, std::nullopt));
  EXPECT_FALSE(Holds("ForAnyValue:StringNotEquals", {"a"}, std::nullopt));
  EXPECT_FALSE(Holds("StringEqualsIfExists", {"a"}, "b"));
  EXPECT_TRUE(Holds("StringEquals", {""}, ""));  // An empty value is present.
  EXPECT_FALSE(Holds("Null", {"true"}, ""));
}

TEST(ConditionTest, Null) {
  EXPECT_TRUE(Holds("Null", {"true"}, std::nullopt));
  EXPECT_FALSE(Holds("Null", {"true"}, "x"));
  EXPECT_TRUE(Holds("Null", {"false"}, "x"));
  EXPECT_FALSE(Holds("Null", {"false"}, std::nullopt));
}

// §3.5 ForAllValues and ForAnyValue, and what a key of several values means without them.
TEST(ConditionTest, SeveralValues) {
  const auto holds = [](std::string_view op, std::initializer_list<std::string_view> policy,
                        std::vector<std::string_view> call) {
    ConditionContext context;
    context.SetOrgPaths(call);
    return Make(op, "aws:PrincipalOrgPaths", policy).Holds(context, false);
  };
  EXPECT_TRUE(holds("ForAllValues:StringEquals", {"a", "b"}, {"a", "b"}));
  EXPECT_FALSE(holds("ForAllValues:StringEquals", {"a", "b"}, {"a", "c"}));
  EXPECT_TRUE(holds("ForAllValues:StringEquals", {"a"}, {}));
  EXPECT_TRUE(holds("ForAnyValue:StringLike", {"o-1/*"}, {"x", "o-1/r/ou"}));
  EXPECT_FALSE(holds("ForAnyValue:StringLike", {"o-1/*"}, {}));
  EXPECT_TRUE(holds("ForAllValues:StringNotEquals", {"a"}, {"b", "c"}));
  EXPECT_FALSE(holds("ForAllValues:StringNotEquals", {"a"}, {"a", "c"}));
  EXPECT_TRUE(holds("ForAnyValue:StringNotEquals", {"a"}, {"a", "c"}));
  EXPECT_FALSE(holds("ForAnyValue:StringNotEquals", {"a", "c"}, {"a", "c"}));
  EXPECT_TRUE(holds("StringEquals", {"a"}, {"b", "a"}));
  EXPECT_FALSE(holds("StringNotEquals", {"a"}, {"b", "a"}));
  EXPECT_TRUE(holds("Null", {"true"}, {}));
}

// §3.7. What is put in is literal, so that nobody gains by a name with a star in it.
TEST(ConditionTest, Variables) {
  EXPECT_TRUE(Holds("StringEquals", {"x/${aws:username}/y"}, "x/bo*b/y"));
  EXPECT_TRUE(Holds("StringLike", {"*/${AWS:Username}/?"}, "x/y/bo*b/y"));
  EXPECT_FALSE(Holds("StringLike", {"${aws:username}"}, "bob"));
  EXPECT_TRUE(Holds("StringEqualsIgnoreCase", {"${aws:username}X"}, "BO*Bx"));
  EXPECT_TRUE(Holds("StringLike", {"${*}${?}${$}*"}, "*?$abc"));
  EXPECT_FALSE(Holds("StringLike", {"${*}"}, "abc"));
  EXPECT_TRUE(Holds("StringEquals", {"${aws:userid, 'no}body'}!"}, "no}body!"));
  EXPECT_FALSE(Holds("StringEquals", {"${aws:userid}"}, ""));
  EXPECT_TRUE(Holds("StringNotEquals", {"${aws:userid}"}, "x"));
  EXPECT_TRUE(Holds("Bool", {"${aws:userid,'true'}"}, "true"));
  EXPECT_TRUE(
      Holds("ArnLike", {"arn:aws:iam::1:user/${aws:username}"}, "arn:aws:iam::1:user/bo*b"));
  // A key that may have several values has none here.
  ConditionContext context;
  const std::string_view paths[] = {"p"};
  context.SetOrgPaths(paths);
  context.Set(ConditionKey::kReferer, "p");
  EXPECT_FALSE(
      Make("StringEquals", "aws:Referer", {"${aws:PrincipalOrgPaths}"}).Holds(context, false));
}

TEST(ConditionTest, VariablesAreTextForOldVersions) {
  absl::StatusOr<Condition> condition = Condition::Make("StringLike", "aws:Referer", false);
  ASSERT_TRUE(condition->AddValue("${aws:username}*").ok());
  ConditionContext context;
  context.Set(ConditionKey::kReferer, "${aws:username}/x");
  EXPECT_TRUE(condition->Holds(context, false));
}

TEST(ConditionTest, Tags) {
  ConditionContext context;
  const PrincipalTag tags[] = {{"team", "red"}, {"Level", "3"}};
  context.SetTags(tags);
  EXPECT_TRUE(Make("StringEquals", "aws:PrincipalTag/Team", {"red"}).Holds(context, false));
  EXPECT_TRUE(Make("NumericGreaterThan", "aws:principaltag/level", {"2"}).Holds(context, false));
  EXPECT_FALSE(Make("StringEquals", "aws:PrincipalTag/x", {"red"}).Holds(context, false));
}

// §2.3, the table of principals.
TEST(ConditionTest, KeysOfPrincipals) {
  struct Case {
    Principal principal;
    const char *type, *user_id, *user_name, *arn;
  };
  const Case cases[] = {
      {{.kind = Principal::Kind::kUser,
        .account_id = "123456789012",
        .arn = "arn:aws:iam::123456789012:user/bob",
        .user_arn = "arn:aws:iam::123456789012:user/bob",
        .user_id = "AIDAEXAMPLE",
        .user_name = "bob"},
       "User",
       "AIDAEXAMPLE",
       "bob",
       "arn:aws:iam::123456789012:user/bob"},
      {{.kind = Principal::Kind::kAssumedRole,
        .account_id = "123456789012",
        .arn = "arn:aws:iam::123456789012:role/p/r",
        .user_arn = "arn:aws:sts::123456789012:assumed-role/r/s",
        .user_id = "AROAEXAMPLE:s",
        .user_name = "ignored"},
       "AssumedRole",
       "AROAEXAMPLE:s",
       nullptr,
       "arn:aws:iam::123456789012:role/p/r"},
      {{}, "Anonymous", "anonymous", nullptr, nullptr},
  };
  for (const Case& c : cases) {
    ConditionContext context;
    context.SetPrincipal(c.principal);
    const auto expect = [&context](const char* key, const char* value) {
      const auto got = context.Single(KeyName::Parse(key));
      if (value == nullptr) {
        EXPECT_FALSE(got.has_value()) << key;
      } else {
        EXPECT_EQ(got, value) << key;
      }
    };
    expect("aws:PrincipalType", c.type);
    expect("aws:userid", c.user_id);
    expect("aws:username", c.user_name);
    expect("aws:PrincipalArn", c.arn);
  }
}

TEST(ConditionTest, RefusesWhatItCannotRead) {
  for (const char* op : {"", "Equals", "stringEquals", "StringEqualsIfexists", "NullIfExists",
                         "ForAllValues:Null", "ForEach:StringEquals", "StringEquals ",
                         "ForAnyValue:ForAllValues:StringEquals", "IfExists"}) {
    EXPECT_FALSE(Condition::Make(op, "aws:Referer", true).ok()) << op;
  }
  EXPECT_FALSE(Condition::Make("StringEquals", "", true).ok());
  const std::pair<const char*, const char*> bad[] = {
      {"NumericEquals", "x"},
      {"DateEquals", "tomorrow"},
      {"Bool", "yes"},
      {"BinaryEquals", "a"},
      {"IpAddress", "10.0.0.0/33"},
      {"IpAddress", "10.0.0"},
      {"IpAddress", "::/129"},
      {"IpAddress", "10.0.0.0/"},
      {"IpAddress", "10.0.0.0/-1"},
      {"IpAddress", "10.0.0.0/+8"},
      {"IpAddress", "*"},
      {"ArnLike", "role/x"},
      {"ArnEquals", "arn:aws:iam"},
      {"Null", "maybe"},
      {"StringEquals", "${aws:username"},
      {"StringEquals", "${}"},
      {"StringEquals", "${a, b}"},
      {"StringEquals", "${a*}"},
  };
  for (const auto& [op, value] : bad) {
    absl::StatusOr<Condition> condition = Condition::Make(op, "aws:Referer", true);
    ASSERT_TRUE(condition.ok()) << op;
    EXPECT_FALSE(condition->AddValue(value).ok()) << op << " " << value;
  }
}

// No pattern makes matching explode.
TEST(ConditionTest, WildcardsTakeBoundedTime) {
  std::string pattern = "${*}";
  for (int i = 0; i < 30; ++i) pattern += "*a";
  pattern += "*b";
  const std::string text = "*" + std::string(20000, 'a');
  EXPECT_FALSE(Holds("StringLike", {pattern}, text));
  EXPECT_TRUE(Holds("StringLike", {pattern}, text + "b"));
  std::string many = "${*}";
  for (int i = 0; i < 70; ++i) many += "*a";
  absl::StatusOr<Condition> condition = Condition::Make("StringLike", "aws:Referer", true);
  EXPECT_FALSE(condition->AddValue(many).ok());
}

}  // namespace
}  // namespace postern::policy
