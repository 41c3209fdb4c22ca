// The text of scenarios: what is understood, and what is said about everything else.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/scenario.hpp"

namespace godwit::sim {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string head =
    "# S3: an example\n"
    "setup  mh  host at 192.0.2.7\n"
    "setup  ch  correspondent at 203.0.113.5\n";

std::string error_of(const std::string& text) {
  auto parsed = parse_scenario("example.scn", text);
  const auto* error = std::get_if<ScriptError>(&parsed);
  return error != nullptr ? error->what : "";
}

TEST(Script, ColumnsNamesAndActions) {
  auto parsed =
      parse_scenario("example.scn", head +
                                        "0.300  mh  loses 192.0.2.7, gains 198.51.100.9\n"
                                        "\n"
                                        "# a remark\n"
                                        "0.500  mh,ch  saw peer_migrated at least once\n");
  const auto* script = std::get_if<Script>(&parsed);
  ASSERT_NE(script, nullptr) << std::get<ScriptError>(parsed).what;
  EXPECT_EQ(script->purpose, "S3: an example");
  ASSERT_EQ(script->steps.size(), 6u);
  EXPECT_EQ(script->steps[0].at, std::nullopt);
  EXPECT_EQ(script->steps[2].at, std::chrono::milliseconds{300});
  EXPECT_EQ(script->steps[2].arguments.get<IpAddress>(0), *IpAddress::parse("192.0.2.7"));
  EXPECT_EQ(script->steps[3].text, "gains 198.51.100.9");
  EXPECT_EQ(script->steps[5].who, "ch");
  EXPECT_EQ(script->steps[5].line, 7u);
  EXPECT_TRUE(script->steps[5].arguments.get<Times>(1).holds(5));
}

TEST(Script, ErrorsNameThePlaceAndWhatIsPossible) {
  EXPECT_THAT(error_of(head + "0.300  mh  looses 192.0.2.7\n"),
              testing::AllOf(StartsWith("example.scn:4: "), HasSubstr("what 'mh' can do here"),
                             HasSubstr("loses <address>")));
  EXPECT_THAT(error_of(head + "0.300  mh  loses 192.0.2.777\n"),
              HasSubstr("expected an address such as 192.0.2.7 instead of '192.0.2.777'"));
  EXPECT_THAT(error_of(head + "0.300  mh  suspends for 3 fortnights\n"),
              HasSubstr("expected a duration such as 20 ms (us, ms, s, min, h) instead of '3'"));
  EXPECT_THAT(error_of(head + "0.300  mh  loses 192.0.2.7 twice\n"),
              HasSubstr("expected nothing more instead of 'twice'"));
  EXPECT_THAT(error_of(head + "0.300  xh  loses 192.0.2.7\n"),
              HasSubstr("nobody is called 'xh'; there are: ch mh net"));
  EXPECT_THAT(error_of(head + "soon  mh  loses 192.0.2.7\n"), HasSubstr("'soon' is no time"));
  EXPECT_THAT(error_of(head + "0.3  mh  loses 192.0.2.7\n0.2  mh  gains 192.0.2.7\n"),
              HasSubstr("the line above happens later"));
  EXPECT_THAT(error_of(head + "0.3  mh  loses 192.0.2.7\nsetup  net  delay 1 ms\n"),
              HasSubstr("in front of everything"));
  EXPECT_THAT(error_of(head + "0.3  mh  sends 1 MiB on web\n"),
              HasSubstr("the name of a stream opened above"));
  EXPECT_THAT(error_of(head + "0.3  mh  opens web to ch\n"),
              HasSubstr("a host and a port such as ch:80"));
  EXPECT_THAT(error_of(head + "0.3  mh  loses 192.0.2.7,\n0.4  mh\n"),
              HasSubstr("a line has a time, a name and an action"));
  EXPECT_THAT(error_of("setup  mh  host at 192.0.2.7\n"), HasSubstr("the first line says"));
  EXPECT_THAT(error_of("# nothing\n"), HasSubstr("not one action"));
}

TEST(Script, SetupOnlyDeclaresNewNames) {
  EXPECT_THAT(error_of(head + "setup  mh  host at 192.0.2.8\n"), HasSubstr("also at <address>"));
  EXPECT_THAT(error_of(head + "setup  wlan.up  loss 1 %\n"), HasSubstr("access <prefix>"));
}

// An expectation that does not hold is a failure that names its line.
TEST(Scenario, SaysWhichExpectationDoesNotHold) {
  auto parsed = parse_scenario("example.scn", head +
                                                  "0.000  mh  opens web to ch:80\n"
                                                  "1.000  mh  has no session with ch\n");
  const auto failures = run_scenario(std::get<Script>(parsed));
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_THAT(failures[0], StartsWith("example.scn:5: mh has no session with ch: there is one"));
}

}  // namespace
}  // namespace godwit::sim
