#include "apps/godwit/template.hpp"

namespace godwit {

std::string config_template(const std::string& name, const std::string& identity_file) {
  return R"(// Godwit's configuration: JSON with comments. 'godwit check-config' says what it means;
// it counts once godwitd is started again.
{
  // How peers know this host. They list it under this name.
  "name": ")" +
         name + R"(",

  // This host's private key, beside this file. 'godwit key' prints the public half.
  "identity": ")" +
         identity_file + R"(",

  // "host": the stack uses this host's own addresses. Or an address of its own: "10.1.2.3/24".
  "link": {"tun": {"device": "godwit0", "address": "host", "mtu": 1500}},

  // Who may talk to this host, and whom it can call. 'godwit peer add' appends here.
  //   {"name": "server.example.org", "addresses": ["203.0.113.5"], "key": "ed25519:..."}
  // Without addresses: those that DNS has for the name, or the peer calls us.
  "peers": [
  ],

  // What happens to connections, first match wins; what nothing matches is discarded.
  // "protect" wants a peer at the other end and never falls back to clear text.
  //   {"protect": "tcp to 203.0.113.0/24", "with": "esp aes128gcm16"}
  //   {"bypass": "any"}     the host's own stack, unprotected
  //   {"discard": "udp"}    refused
  "policy": [
    {"protect": "any", "with": "esp aes256gcm16"},
    {"discard": "any"}
  ],

  // Where programs find the proxy, which speaks SOCKS5, SOCKS4a and HTTP:
  // curl --socks5-hostname 127.0.0.1:1080 ..., or curl -x http://127.0.0.1:1080 ...
  // "users": [{"name": "me", "password": "..."}] beside "listen" asks for a password,
  // "rules": [{"allow": "tcp to *.example.org port 443"}, {"deny": "any"}] says where it leads.
  "socks": {"listen": "127.0.0.1:1080"},

  // Where 'godwit run PROGRAM' finds godwitd; whoever reaches the socket may use it, or only
  // "users": ["ann"].
  "shim": {"listen": "unix:/run/godwit/shim.sock"},

  // Services of this host that peers may reach. 'godwit publish' appends here.
  //   {"port": 22, "to": "127.0.0.1:22"}   also "peers", "protocol": "udp", "proxy_protocol": "v2"
  "publish": [
  ],

  // Places on this host that lead elsewhere, for programs that know no proxy. 'godwit forward'
  // appends here.
  //   {"listen": "127.0.0.1:5432", "to": "server.example.org:5432"}
  "forward": [
  ],

  // How long a connection waits for a network to come back.
  "mobility": {"hold_time": "12h"}
}
)";
}

}  // namespace godwit
