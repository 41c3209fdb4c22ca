#include "apps/node/config_parser.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/node/duration.hpp"

namespace godwit {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* file = "/etc/godwit/godwit.json";

constexpr const char* whole = R"(// Everything that can be said.
{
  "name": "laptop",
  "identity": "laptop.pem",
  "link": {"tun": {"device": "gw1", "address": "10.1.2.3/24", "mtu": 1400}},
  "peers": [
    {"name": "server.example.org", "addresses": ["203.0.113.5", "2001:db8::5"],
     "key": "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
    {"name": "desk", "psk": "correct horse battery staple"}  /* it calls us */
  ],
  "policy": [
    {"protect": "tcp to 203.0.113.0/24", "with": "esp aes128gcm16"},
    {"bypass": "udp to any port 53"},
    {"discard": "any"}
  ],
  "socks": {"listen": "127.0.0.1:1080"},
  "publish": [
    {"port": 22, "to": "127.0.0.1:22", "peers": ["desk"], "proxy_protocol": "v2"},
    {"port": 80, "to": "[::1]:8080"},
    {"port": 25, "to": "unix:/run/mail.sock"},
    {"port": "5000-5010", "protocol": "udp", "to": "127.0.0.1:6000"}
  ],
  "mobility": {"first_retry_floor": "20ms", "retry_ceiling": "3s", "hold_time": "2h", "grace": "0s"},
  "tcp": {"congestion": "bbr", "ecn": "off", "memory": "64MiB"},
  "dns": {
    "servers": ["192.0.2.53", "[2001:db8::53]:5353", "192.0.2.53:53"],
    "zones": [{"zone": "corp.example", "servers": ["10.1.2.53"]}],
    "update": {"server": "192.0.2.54", "zone": "Example.org.", "name": "laptop.example.org",
               "reverse_zones": ["2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"], "ttl": "1min",
               "key": {"name": "laptop", "algorithm": "hmac-sha512", "file": "dns.key"}}
  },
  "control": "/run/gw.sock"
})";

std::string problem_of(const std::string& text) {
  const auto config = parse_config(text, file);
  return config ? "" : config.problem();
}

TEST(ConfigParser, ReadsEverythingThatCanBeSaid) {
  const auto config = parse_config(whole, file);
  ASSERT_TRUE(config) << config.problem();
  EXPECT_EQ(config->name, "laptop");
  EXPECT_EQ(config->identity_file, "/etc/godwit/laptop.pem");
  EXPECT_EQ(config->link.device, "gw1");
  EXPECT_EQ(to_string(*config->link.address), "10.1.2.3/24");
  EXPECT_EQ(config->link.mtu, 1400u);
  ASSERT_EQ(config->peers.size(), 2u);
  EXPECT_EQ(config->peers[0].addresses.size(), 2u);
  EXPECT_EQ(config->peers[0].public_key->size(), 32u);
  EXPECT_EQ(config->peers[1].psk, "correct horse battery staple");
  ASSERT_EQ(config->policy.size(), 3u);
  EXPECT_EQ(config->policy[0].suite, EspSuite::Aes128Gcm16);
  EXPECT_EQ(config->policy[0].text, "protect tcp to 203.0.113.0/24 with esp aes128gcm16");
  EXPECT_EQ(config->policy[1].action, PolicyAction::Bypass);
  ASSERT_EQ(config->socks->listen.size(), 1u);
  EXPECT_EQ(to_string(config->socks->listen[0]), "127.0.0.1:1080");
  ASSERT_EQ(config->publish.size(), 4u);
  EXPECT_EQ(config->publish[0].peers, std::vector<std::string>{"desk"});
  EXPECT_EQ(config->publish[0].introduction, PublishConfig::Introduction::ProxyProtocol2);
  EXPECT_EQ(port_text(config->publish[0]), "tcp port 22");
  EXPECT_EQ(to_string(config->publish[1].to), "[::1]:8080");
  EXPECT_EQ(config->publish[1].introduction, PublishConfig::Introduction::None);
  EXPECT_EQ(to_string(config->publish[2].service_at(25)), "unix:/run/mail.sock");
  EXPECT_EQ(port_text(config->publish[3]), "udp ports 5000-5010");
  EXPECT_EQ(to_string(config->publish[3].service_at(5003)), "127.0.0.1:6003");
  EXPECT_EQ(config->mobility.first_retry_floor, 20ms);
  EXPECT_EQ(config->mobility.grace, 0s);
  EXPECT_EQ(config->tcp.congestion, Congestion::Bbr);
  EXPECT_FALSE(config->tcp.ecn);
  EXPECT_EQ(config->tcp.memory, std::size_t{64} << 20);
  EXPECT_EQ(config->control_socket, "/run/gw.sock");
  ASSERT_EQ(config->dns.servers.size(), 2u);  // the first is said twice
  EXPECT_EQ(to_string(config->dns.servers[0]), "192.0.2.53:53");
  EXPECT_EQ(to_string(config->dns.servers[1]), "[2001:db8::53]:5353");
  ASSERT_EQ(config->dns.zones.size(), 1u);
  EXPECT_EQ(config->dns.zones[0].zone.text(), "corp.example");
  EXPECT_EQ(to_string(config->dns.zones[0].servers.at(0)), "10.1.2.53:53");
  const UpdateSettings& update = *config->dns.update;
  EXPECT_EQ(to_string(update.server), "192.0.2.54:53");
  EXPECT_EQ(update.zone.text(), "example.org");
  EXPECT_EQ(update.name.text(), "laptop.example.org");
  EXPECT_EQ(update.reverse_zones.size(), 2u);
  EXPECT_EQ(update.ttl, 60u);
  EXPECT_EQ(update.key->name.text(), "laptop");
  EXPECT_EQ(update.key->algorithm, TsigAlgorithm::HmacSha512);
  EXPECT_EQ(config->dns.secret_file, "/etc/godwit/dns.key");
}

// A port of UDP is another port.
TEST(ConfigParser, PublishesAPortOfEachProtocol) {
  const auto config = parse_config(
      R"({"publish": [{"port": 53, "to": "127.0.0.1:53"},
                      {"port": 53, "to": "127.0.0.1:53", "protocol": "udp"}]})",
      file);
  EXPECT_TRUE(config) << config.problem();
}

// S25: what nobody configured is protected or refused, never sent in the clear.
TEST(ConfigParser, ProtectsByDefault) {
  const auto config = parse_config("{}", file);
  ASSERT_TRUE(config) << config.problem();
  ASSERT_EQ(config->policy.size(), 1u);
  EXPECT_EQ(config->policy[0].action, PolicyAction::Protect);
  EXPECT_EQ(config->policy[0].suite, EspSuite::Aes256Gcm16);
  EXPECT_EQ(config->link.address, std::nullopt);
  EXPECT_EQ(config->identity_file, "/etc/godwit/identity.pem");
  EXPECT_FALSE(config->socks);
  EXPECT_EQ(config->tcp.congestion, Congestion::Cubic);
  EXPECT_TRUE(config->tcp.ecn);
}

TEST(ConfigParser, ReadsWhereTheShimListensAndForWhom) {
  const auto config = parse_config(
      R"({"shim": {"listen": "unix:/run/godwit/shim.sock", "users": ["ann", "root"]}})", file);
  ASSERT_TRUE(config) << config.problem();
  EXPECT_EQ(config->shim->path, "/run/godwit/shim.sock");
  EXPECT_THAT(config->shim->users, ::testing::ElementsAre("ann", "root"));
  EXPECT_FALSE(parse_config("{}", file)->shim);
}

TEST(ConfigParser, ReadsWhereTheProxyListens) {
  const auto config = parse_config(
      R"({"socks": {"listen": ["127.0.0.1:1080", "[::1]:1080", "unix:/run/godwit/socks.sock"]}})",
      file);
  ASSERT_TRUE(config) << config.problem();
  std::vector<std::string> listeners;
  for (const ListenAddress& address : config->socks->listen) {
    listeners.push_back(to_string(address));
  }
  EXPECT_THAT(listeners, ::testing::ElementsAre("127.0.0.1:1080", "[::1]:1080",
                                                "unix:/run/godwit/socks.sock"));
  EXPECT_EQ(parse_listen_address("systemd"), ListenAddress{ActivatedSockets{}});
  EXPECT_EQ(to_string(*parse_listen_address("systemd:socks")), "systemd:socks");
  EXPECT_EQ(parse_listen_address("systemd:"), std::nullopt);
  EXPECT_EQ(parse_service_address("systemd"), std::nullopt);
  EXPECT_EQ(parse_listen_address("unix:/" + std::string(106, 'x')).has_value(), true);
  EXPECT_EQ(parse_listen_address("unix:/" + std::string(107, 'x')).has_value(), false);
}

TEST(ConfigParser, ReadsTheUsersOfTheProxy) {
  const auto config = parse_config(
      R"({"socks": {"listen": "127.0.0.1:1080",
         "users": [{"name": "ann", "password": "open sesame"}]}})",
      file);
  ASSERT_TRUE(config) << config.problem();
  const ProxyUsers users{config->socks->users};
  EXPECT_TRUE(users.required());
  EXPECT_TRUE(users.know("ann", "open sesame"));
  EXPECT_FALSE(users.know("ann", "open sesamf"));
  EXPECT_FALSE(users.know("bob", "open sesame"));
  EXPECT_FALSE(users.know("", ""));
  EXPECT_FALSE(ProxyUsers{}.required());
}

TEST(ConfigParser, KeepsAnEmptyPolicyEmpty) {
  const auto config = parse_config(R"({"policy": []})", file);
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->policy.empty());  // no rule: discard
}

// S18: thirty seconds, SHA-256, no PTR, unless somebody says otherwise.
TEST(ConfigParser, DnsUpdateHasDefaults) {
  const auto config = parse_config(
      R"({"dns": {"update": {"server": "192.0.2.54", "zone": "example.org",
          "name": "laptop.example.org",
          "key": {"name": "laptop", "secret": "AAAAAAAAAAAAAAAAAAAAAA=="}}}})",
      file);
  ASSERT_TRUE(config) << config.problem();
  EXPECT_TRUE(config->dns.servers.empty());
  EXPECT_EQ(config->dns.update->ttl, 30u);
  EXPECT_TRUE(config->dns.update->reverse_zones.empty());
  EXPECT_EQ(config->dns.update->key->algorithm, TsigAlgorithm::HmacSha256);
  EXPECT_EQ(config->dns.update->key->secret, ByteString(16));
  EXPECT_FALSE(config->dns.secret_file);
}

struct Wrong {
  const char* text;
  const char* path;
  const char* found;
  const char* allowed;
};

// Every error names the file, the key, what was found and what is allowed.
TEST(ConfigParser, SaysWhatIsWrongAndWhatIsAllowed) {
  const Wrong cases[] = {
      {"", "", "parse error", "JSON, with comments"},
      {"{\"name\": \"a\",}", "", "parse error at line 1", "JSON, with comments"},
      {"[]", "", "found []", "an object"},
      {R"({"nmae": "a"})", "the top level", "\"nmae\"", "name, identity, control, link, peers"},
      {R"({"name": "a", "name": "b"})", "\"name\"", "more than once", "once"},
      {R"({"name": 5})", "name", "found 5", "letters, digits"},
      {R"({"name": "a b"})", "name", "\"a b\"", "letters, digits"},
      {R"({"identity": ""})", "identity", "\"\"", "the path"},
      {R"({"control": "here.sock"})", "control", "\"here.sock\"", "an absolute path"},
      {R"({"link": {}})", "link.tun", "nothing", "{\"device\""},
      {R"({"link": {"tap": {}, "tun": {}}})", "link", "\"tap\"", "tun"},
      {R"({"link": "tun"})", "link", "\"tun\"", "an object"},
      {R"({"link": {"tun": {"mtu": 80}}})", "link.tun.mtu", "80", "from 576 to 65535"},
      {R"({"link": {"tun": {"mtu": 1500.5}}})", "link.tun.mtu", "1500.5", "a whole number"},
      {R"({"link": {"tun": {"mtu": -1}}})", "link.tun.mtu", "-1", "a whole number"},
      {R"({"link": {"tun": {"mtu": 1e99}}})", "link.tun.mtu", "1e+99", "a whole number"},
      {R"({"link": {"tun": {"address": "10.1.2.3/33"}}})", "link.tun.address", "10.1.2.3/33",
       "host"},
      {R"({"link": {"tun": {"address": "127.0.0.1/8"}}})", "link.tun.address", "127.0.0.1/8",
       "host"},
      {R"({"link": {"tun": {"device": "a/b"}}})", "link.tun.device", "a/b", "15 characters"},
      {R"({"link": {"tun": {"device": "aaaaaaaaaaaaaaaa"}}})", "link.tun.device", "aaaa",
       "15 char"},
      {R"({"peers": {}})", "peers", "{}", "a list"},
      {R"({"peers": [5]})", "peers[0]", "5", "an object"},
      {R"({"peers": [{"psk": "sixteen letters.."}]})", "peers[0].name", "nothing", "letters"},
      {R"({"peers": [{"name": "a"}]})", "peers[0]", "neither key nor psk", "exactly one"},
      {R"({"peers": [{"name": "a", "key": "rsa:AAAA"}]})", "peers[0].key", "rsa:AAAA", "ed25519:"},
      {R"({"peers": [{"name": "a", "key": "ed25519:AAAA"}]})", "peers[0].key", "AAAA", "44 char"},
      {R"({"peers": [{"name": "a", "psk": "sixteen letters..", "addresses": ["224.0.0.1"]}]})",
       "peers[0].addresses[0]", "224.0.0.1", "a unicast address"},
      {R"({"peers": [{"name": "a", "psk": "sixteen letters..", "adresses": []}]})", "peers[0]",
       "\"adresses\"", "name, addresses, key, psk"},
      {R"({"policy": [{"protect": "bogus"}]})", "policy[0].protect", "\"bogus\"", "tcp to"},
      {R"({"policy": [{"protect": 1}]})", "policy[0].protect", "1", "tcp to"},
      {R"({"policy": [{}]})", "policy[0]", "{}", "exactly one of protect, bypass, discard"},
      {R"({"policy": [{"protect": "any", "discard": "any"}]})", "policy[0]", "{", "exactly one"},
      {R"({"policy": [{"protect": "any", "with": "esp null"}]})", "policy[0].with", "esp null",
       "esp aes256gcm16"},
      {R"({"policy": [{"bypass": "any", "with": "esp aes256gcm16"}]})", "policy[0].with", "esp",
       "only \"protect\""},
      {R"({"shim": {}})", "shim.listen", "nothing", "unix:/run/godwit/shim.sock"},
      {R"({"shim": {"listen": "127.0.0.1:1"}})", "shim.listen", "127.0.0.1:1", "a socket in the"},
      {R"({"shim": {"listen": "unix:/x", "users": []}})", "shim.users", "an empty list",
       "[\"ann\"]"},
      {R"({"shim": {"listen": "unix:/x", "users": ["a", "a"]}})", "shim.users[1]", "a", "once"},
      {R"({"shim": {"listen": "unix:/x", "user": 1}})", "shim", "unknown key \"user\"", "users"},
      {R"({"socks": {}})", "socks.listen", "nothing", "an address and a port"},
      {R"({"socks": {"listen": "localhost:1080"}})", "socks.listen", "localhost:1080", "127.0.0.1"},
      {R"({"socks": {"listen": "127.0.0.1:0"}})", "socks.listen", "127.0.0.1:0", "a port"},
      {R"({"socks": {"listen": []}})", "socks.listen", "a list of 0", "1 to 64"},
      {R"({"socks": {"listen": ["127.0.0.1:1", 7]}})", "socks.listen[1]", "7", "unix:/run"},
      {R"({"socks": {"listen": ["[::1]:1", "[0::1]:1"]}})", "socks.listen[1]", "[0::1]:1",
       "each address once"},
      {R"({"socks": {"listen": "unix:socks.sock"}})", "socks.listen", "unix:socks.sock",
       "unix:/run/godwit/socks.sock"},
      {R"({"socks": {"listen": "unix:/"}})", "socks.listen", "unix:/", "a socket"},
      {R"({"socks": {"listen": "/run/socks.sock"}})", "socks.listen", "/run/socks.sock", "unix:"},
      {R"({"socks": {"listen": "127.0.0.1:1", "users": []}})", "socks.users", "an empty list",
       "a list of users"},
      {R"({"socks": {"listen": "127.0.0.1:1", "users": {"a": "b"}}})", "socks.users", "\"a\"",
       "a list of users"},
      {R"({"socks": {"listen": "127.0.0.1:1", "users": [{"name": "a:b", "password": "12345678"}]}})",
       "socks.users[0].name", "a:b", "without ':'"},
      {R"({"socks": {"listen": "127.0.0.1:1", "users": [{"name": "a"}]}})",
       "socks.users[0].password", "nothing", "8 to 255"},
      {R"({"socks": {"listen": "127.0.0.1:1", "users": [{"name": "a", "password": "12345678"},
         {"name": "a", "password": "87654321"}]}})",
       "socks.users[1].name", "\"a\"", "each user once"},
      {R"({"socks": {"listen": "127.0.0.1:1", "rules": []}})", "socks.rules", "an empty list",
       "a list of sentences"},
      {R"({"socks": {"listen": "127.0.0.1:1", "rules": [{"allow": "any", "deny": "any"}]}})",
       "socks.rules[0]", "\"deny\"", "exactly one of allow and deny"},
      {R"({"socks": {"listen": "127.0.0.1:1", "rules": [{"deny": "icmp"}]}})",
       "socks.rules[0].deny", "icmp", "a destination"},
      {R"({"socks": {"listen": "127.0.0.1:1", "rules": [{"allow": "any", "users": ["ann"]}]}})",
       "socks.rules[0].users", "ann", "names of users"},
      {R"({"socks": {"listen": "127.0.0.1:1", "rules": [{"allow": "any", "user": "ann"}]}})",
       "socks.rules[0]", "\"user\"", "users"},
      {R"({"publish": [{"port": 0, "to": "127.0.0.1:22"}]})", "publish[0].port", "0", "1 to 65535"},
      {R"({"publish": [{"port": "9-8", "to": "127.0.0.1:22"}]})", "publish[0].port", "9-8",
       "8000-8010"},
      {R"({"publish": [{"port": "1-1025", "to": "127.0.0.1:22"}]})", "publish[0].port", "1-1025",
       "at most 1024"},
      {R"({"publish": [{"port": "1-2x", "to": "127.0.0.1:22"}]})", "publish[0].port", "1-2x",
       "range"},
      {R"({"publish": [{"port": "7", "to": "127.0.0.1:22"}]})", "publish[0].port", "\"7\"",
       "range"},
      {R"({"publish": [{"port": "1-3", "to": "127.0.0.1:65534"}]})", "publish[0].to",
       "and the 2 ports behind it", "up to 65535"},
      {R"({"publish": [{"port": 1, "to": "ssh"}]})", "publish[0].to", "ssh", "unix:/run"},
      {R"({"publish": [{"port": 1, "to": "127.0.0.1:1", "protocol": "sctp"}]})",
       "publish[0].protocol", "sctp", "\"tcp\" or \"udp\""},
      {R"({"publish": [{"port": 1, "to": "unix:/a", "protocol": "udp"}]})", "publish[0].to",
       "unix:/a", "for UDP an address"},
      {R"({"publish": [{"port": 1, "to": "127.0.0.1:1", "peers": []}]})", "publish[0].peers", "[]",
       "a list of names"},
      {R"({"publish": [{"port": 1, "to": "127.0.0.1:1", "peers": ["eve"]}]})", "publish[0].peers",
       "eve", "one of the peers"},
      {R"({"publish": [{"port": 1, "to": "127.0.0.1:1", "proxy_protocol": "v1"}]})",
       "publish[0].proxy_protocol", "v1", "\"v2\""},
      {R"({"publish": [{"port": 1, "to": "127.0.0.1:1", "protocol": "udp", "proxy_protocol": "v2"}]})",
       "publish[0].proxy_protocol", "v2", "only connections of TCP"},
      {R"({"publish": [{"port": "20-30", "to": "127.0.0.1:20"}, {"port": 25, "to": "127.0.0.1:1"}]})",
       "publish[1].port", "25, which is published already", "each port once"},
      {R"({"publish": [{"to": "127.0.0.1:22"}]})", "publish[0].port", "nothing", "1 to 65535"},
      {R"({"publish": [{"port": 22, "to": "127.0.0.1:22"}, {"port": 22, "to": "127.0.0.1:23"}]})",
       "publish[1].port", "published already", "each port once"},
      {R"({"dns": {}})", "dns", "neither servers, zones nor update", "or both"},
      {R"({"dns": {"zones": [{"zone": "corp.example"}]}})", "dns.zones[0].servers", "nothing",
       "who knows their names"},
      {R"({"dns": {"zones": [{"zone": "a b", "servers": ["192.0.2.1"]}]}})", "dns.zones[0].zone",
       "a b", "a DNS name"},
      {R"({"dns": {"zones": [{"zone": "a.b", "servers": ["192.0.2.1"]},
                             {"zone": "A.b.", "servers": ["192.0.2.2"]}]}})",
       "dns.zones[1].zone", "A.b.", "each zone once"},
      {R"({"dns": {"servers": "192.0.2.53"}})", "dns.servers", "192.0.2.53", "a list"},
      {R"({"dns": {"servers": ["ns.example.org"]}})", "dns.servers[0]", "ns.example.org",
       "the address of a name server"},
      {R"({"dns": {"servers": ["192.0.2.53:0"]}})", "dns.servers[0]", ":0", "192.0.2.53:5353"},
      {R"({"dns": {"servers": ["224.0.0.251"]}})", "dns.servers[0]", "224.0.0.251", "the address"},
      {R"({"dns": {"server": []}})", "dns", "\"server\"", "servers, update, zones"},
      {R"({"dns": {"update": {}}})", "dns.update.server", "nothing", "the address"},
      {R"({"dns": {"update": {"server": "192.0.2.54", "zone": "a b", "name": "c"}}})",
       "dns.update.zone", "a b", "a DNS name"},
      {R"({"dns": {"update": {"server": "192.0.2.54", "zone": "a.org", "name": "c.b.org"}}})",
       "dns.update.name", "c.b.org", "within the zone \"a.org\""},
      {R"({"dns": {"update": {"reverse_zones": ["example.org"]}}})", "dns.update.reverse_zones[0]",
       "example.org", "in-addr.arpa"},
      {R"({"dns": {"update": {"ttl": 30}}})", "dns.update.ttl", "30", "whole seconds"},
      {R"({"dns": {"update": {"ttl": "500ms"}}})", "dns.update.ttl", "500ms", "from \"1s\""},
      {R"({"dns": {"update": {"key": {"name": "k"}}}})", "dns.update.key",
       "neither secret nor file", "exactly one"},
      {R"({"dns": {"update": {"key": {"secret": "AAAA", "name": "k"}}}})", "dns.update.key.secret",
       "4 characters", "16 octets in base64"},
      {R"({"dns": {"update": {"key": {"algorithm": "hmac-md5"}}}})", "dns.update.key.algorithm",
       "hmac-md5", "hmac-sha256"},
      {R"({"tcp": {"congestion": "vegas"}})", "tcp.congestion", "\"vegas\"",
       "\"cubic\" or \"bbr\""},
      {R"({"tcp": {"congestion": 1}})", "tcp.congestion", "1", "\"cubic\""},
      {R"({"tcp": {"memory": "1MiB"}})", "tcp.memory", "1MiB", "from \"16MiB\""},
      {R"({"tcp": {"memory": "64MB"}})", "tcp.memory", "64MB", "a number with a unit (MiB, GiB)"},
      {R"({"tcp": {"memory": 64}})", "tcp.memory", "64", "a number with a unit"},
      {R"({"tcp": {"ecn": true}})", "tcp.ecn", "true", "\"on\" or \"off\""},
      {R"({"tcp": {"controller": "bbr"}})", "tcp", "\"controller\"", "congestion"},
      {R"({"mobility": {"grace": 5}})", "mobility.grace", "5", "a number with a unit"},
      {R"({"mobility": {"grace": "5"}})", "mobility.grace", "\"5\"", "from \"0s\" to \"1min\""},
      {R"({"mobility": {"hold_time": "40d"}})", "mobility.hold_time", "40d", "\"30d\""},
      {R"({"mobility": {"retry_ceiling": "10ms"}})", "mobility.retry_ceiling", "10ms", "at least"},
  };
  for (const Wrong& wrong : cases) {
    const std::string problem = problem_of(wrong.text);
    EXPECT_THAT(problem, HasSubstr(std::string{file} + ": " + wrong.path)) << wrong.text;
    EXPECT_THAT(problem, HasSubstr(wrong.found)) << wrong.text;
    EXPECT_THAT(problem, HasSubstr("allowed: ")) << wrong.text;
    EXPECT_THAT(problem, HasSubstr(wrong.allowed)) << wrong.text;
  }
}

TEST(ConfigParser, NamesAllProblemsAtOnce) {
  const std::string problem = problem_of(R"({"nmae": 1, "socks": {"listen": 1}, "publish": 3})");
  EXPECT_EQ(std::count(problem.begin(), problem.end(), '\n'), 2) << problem;
}

TEST(ConfigParser, NeverRepeatsASecret) {
  const std::string problem = problem_of(R"({"peers": [{"name": "a", "psk": "hunter2"}]})");
  EXPECT_THAT(problem, HasSubstr("peers[0].psk: found a text of 7 characters"));
  EXPECT_THAT(problem, ::testing::Not(HasSubstr("hunter2")));
  const std::string user = problem_of(
      R"({"socks": {"listen": "[::1]:1", "users": [{"name": "a", "password": "hunter2"}]}})");
  EXPECT_THAT(user, HasSubstr("socks.users[0].password: found a text of 7 characters"));
  EXPECT_THAT(user, ::testing::Not(HasSubstr("hunter2")));
  const std::string dns =
      problem_of(R"({"dns": {"update": {"key": {"name": "k", "secret": "hunter2"}}}})");
  EXPECT_THAT(dns, HasSubstr("dns.update.key.secret: found a text of 7 characters"));
  EXPECT_THAT(dns, ::testing::Not(HasSubstr("hunter2")));
}

TEST(ConfigParser, TellsPeersApart) {
  const std::string key = "\"ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"";
  const std::string problem =
      problem_of(R"({"peers": [{"name": "A", "addresses": ["192.0.2.1"], "key": )" + key +
                 R"(}, {"name": "a", "addresses": ["192.0.2.1"], "key": )" + key + "}]}");
  EXPECT_THAT(problem, HasSubstr("peers[1].name: found \"a\", which is peers[0]'s"));
  EXPECT_THAT(problem, HasSubstr("peers[1].addresses: found 192.0.2.1, which is peers[0]'s"));
  EXPECT_THAT(problem, HasSubstr("peers[1].key: found a key, which is peers[0]'s"));
}

TEST(ConfigParser, SurvivesDepthAndStrangeBytes) {
  EXPECT_NE(problem_of(std::string(200'000, '[')), "");
  const std::string deep = std::string(50'000, '[') + std::string(50'000, ']');
  EXPECT_THAT(problem_of(deep), HasSubstr("brackets within brackets; allowed: at most 32"));
  EXPECT_THAT(problem_of("{\"name\": " + deep + "}"), HasSubstr("at most 32"));
  EXPECT_NE(problem_of(std::string("{\"name\": \"a\0b\"}", 15)), "");
  EXPECT_NE(problem_of("{\"name\": \"\xff\xfe\"}"), "");
  EXPECT_NE(problem_of("{\"a\\ud800\": 1}"), "");
}

TEST(ConfigParser, NeverFailsWithoutSayingWhy) {
  const unsigned seed = 20261124;
  std::mt19937 random{seed};
  const std::string good = whole;
  constexpr std::string_view alphabet = "{}[]\",:/*\\ \n0a-.e\x80\xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (unsigned change = 0; change <= random() % 4; ++change) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = alphabet[random() % alphabet.size()]; break;
        case 1: text.erase(at, random() % 20); break;
        case 2: text.insert(at, 1, alphabet[random() % alphabet.size()]); break;
        default: text.insert(at, good.substr(random() % good.size(), random() % 40)); break;
      }
      if (text.empty()) text = " ";
    }
    const auto config = parse_config(text, file);
    if (!config) {
      ASSERT_THAT(config.problem(), HasSubstr(file)) << "seed " << seed << " round " << round;
      ASSERT_THAT(config.problem(), HasSubstr("allowed: ")) << config.problem();
    }
  }
}

TEST(Duration, HasAUnit) {
  EXPECT_EQ(*parse_duration("50ms"), 50ms);
  EXPECT_EQ(*parse_duration("12h"), 12h);
  EXPECT_EQ(*parse_duration("5min"), 5min);
  EXPECT_EQ(*parse_duration("1d"), 24h);
  EXPECT_EQ(*parse_duration("7us"), 7us);
  for (const char* bad : {"", "5", "ms", "-1s", "5 s", "5S", "1.5s", "5m", "99999999999999999999s",
                          "9223372036854775807h"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
  for (const Duration duration : {Duration{0s}, Duration{50ms}, Duration{12h}, Duration{36h},
                                  Duration{90s}, Duration{1us}, Duration{24h * 30}}) {
    EXPECT_EQ(*parse_duration(duration_text(duration)), duration);
  }
}

// B2.
TEST(ConfigParser, ReadsWhenEspStandsInUdp) {
  const auto config = parse_config(
      R"({"name": "a", "link": {"tun": {}, "encapsulation": "always", "keepalive": "10s"}})", file);
  ASSERT_TRUE(config) << config.problem();
  EXPECT_EQ(config->nat.encapsulation, ike::NatTraversal::Always);
  EXPECT_EQ(config->nat.keepalive, 10s);
  const auto defaults = parse_config(R"({"name": "a", "link": {"tun": {}}})", file);
  ASSERT_TRUE(defaults) << defaults.problem();
  EXPECT_EQ(defaults->nat.encapsulation, ike::NatTraversal::Auto);
  EXPECT_EQ(defaults->nat.keepalive, 20s);
  EXPECT_NE(problem_of(R"({"name": "a", "link": {"tun": {}, "encapsulation": "maybe"}})")
                .find("link.encapsulation"),
            std::string::npos);
  EXPECT_NE(
      problem_of(R"({"name": "a", "link": {"tun": {}, "keepalive": "0s"}})").find("link.keepalive"),
      std::string::npos);
}

}  // namespace
}  // namespace godwit
