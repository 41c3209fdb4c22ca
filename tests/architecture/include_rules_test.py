"""The rules must catch what breaks them: small trees, each with one thing wrong."""

import pathlib
import tempfile
import unittest

import include_rules


def problems_of(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return include_rules.check(folder)


# A tree in which everything is as it should be; each test spoils one file of it.
SOUND = {
    "stack/core/bytes.hpp": "#include <span>\n",
    "stack/wire/ipv4.hpp": '#include "stack/core/bytes.hpp"\n',
    "stack/tcp/cubic.hpp": '#include "stack/core/bytes.hpp"\n',
    "stack/tcpip/lwipopts.h": "",
    "stack/tcpip/lwip_stack.cpp": '#include "lwip/tcp.h"\n#include "stack/tcp/cubic.hpp"\n',
    "stack/tcpip/lwip_stack.hpp": '#include "stack/wire/ipv4.hpp"\n#include "stack/core/bytes.hpp"\n',
    "stack/io/link.hpp": '#include "stack/core/bytes.hpp"\n\n#include <asio.hpp>\n#include <linux/if_tun.h>\n',
    "ipsec/crypto/aead.hpp": '#include "stack/core/bytes.hpp"\n',
    "ipsec/crypto/aead.cpp": '#include "ipsec/crypto/aead.hpp"\n\n#include <botan/aead.h>\n',
    "ipsec/policy/selector.hpp": '#include "stack/wire/ipv4.hpp"\n',
    "ipsec/ike/message.hpp": '#include "ipsec/policy/selector.hpp"\n#include "ipsec/crypto/aead.hpp"\n',
    "mobility/notice.hpp": '#include "stack/core/bytes.hpp"\n',
    "apps/node/node.hpp": '#include "mobility/notice.hpp"\n#include "ipsec/ike/message.hpp"\n',
    "apps/node/config.cpp": "#include <nlohmann/json.hpp>\n",
    "stack/tcpip/tcp_socket.hpp": "",
    "apps/socks/session.hpp": '#include "stack/tcpip/tcp_socket.hpp"\n',
    "apps/socks/CMakeLists.txt": "godwit_library(apps_socks SOURCES session.cpp LINKS stack_tcpip)\n",
    "apps/godwitd/main.cpp": '#include "apps/node/node.hpp"\n\n#include <asio.hpp>\n',
    "stack/core/CMakeLists.txt": "godwit_library(stack_core SOURCES bytes.cpp)\n",
    "stack/wire/CMakeLists.txt": "godwit_library(stack_wire SOURCES ipv4.cpp LINKS stack_core)\n",
    "stack/tcp/CMakeLists.txt": "godwit_library(stack_tcp SOURCES cubic.cpp LINKS stack_core)\n",
    "stack/tcpip/CMakeLists.txt": "godwit_library(stack_tcpip SOURCES lwip_stack.cpp\n"
    "  LINKS stack_core stack_wire stack_tcp lwip)\n",
    "ipsec/crypto/CMakeLists.txt": "godwit_library(ipsec_crypto SOURCES aead.cpp LINKS stack_core Botan::Botan)\n",
    "mobility/CMakeLists.txt": "godwit_library(mobility SOURCES notice.cpp LINKS stack_core)\n",
}


class IncludeRules(unittest.TestCase):
    def assert_caught(self, files, expected):
        found = problems_of({**SOUND, **files})
        self.assertEqual(len(found), 1, found)
        self.assertIn(expected, found[0])

    def test_a_sound_tree_passes(self):
        self.assertEqual(problems_of(SOUND), [])

    def test_each_broken_include_is_caught(self):
        cases = [
            ("stack/wire/ipv4.hpp", "#include <resolv.h>", "stack/wire may not use linux"),
            ("stack/wire/ipv4.hpp", "#include <zlib.h>", "which the table does not know"),
            ("stack/core/bytes.hpp", '#include "stack/wire/ipv4.hpp"', "stack/core may not include stack/wire"),
            ("stack/wire/a.hpp", '#include "stack/tcp/cubic.hpp"', "stack/wire may not include stack/tcp"),
            ("stack/wire/a.hpp", '  #  include "stack/io/link.hpp"', "stack/wire may not include stack/io"),
            ("mobility/a.cpp", '#include "ipsec/ike/message.hpp"', "mobility may not include ipsec/ike"),
            ("ipsec/ike/a.cpp", '#include "mobility/notice.hpp"', "ipsec/ike may not include mobility"),
            ("ipsec/policy/a.cpp", '#include "ipsec/ike/message.hpp"', "ipsec/policy may not include ipsec/ike"),
            ("ipsec/esp/a.cpp", '#include "ipsec/policy/selector.hpp"', "ipsec/esp may not include ipsec/policy"),
            ("stack/io/a.cpp", '#include "apps/node/node.hpp"', "stack/io may not include apps/node"),
            ("apps/socks/a.cpp", '#include "mobility/notice.hpp"', "apps/socks may not include mobility"),
            ("apps/socks/a.cpp", '#include "apps/godwitd/main.cpp"', "apps/socks may not include apps/godwitd"),
            ("apps/node/a.cpp", '#include "apps/godwitd/main.cpp"', "apps/node may not include apps/godwitd"),
            (
                "apps/socks/a.cpp",
                '#include "stack/tcpip/lwip_stack.hpp"',
                "apps/socks may not include stack/tcpip",
            ),
            ("apps/node/a.cpp", '#include "lwip/tcp.h"', "apps/node may not use lwip"),
            ("stack/ip/a.cpp", "#include <lwip/tcp.h>", "stack/ip may not use lwip"),
            ("ipsec/esp/a.cpp", "#include <botan/aead.h>", "ipsec/esp may not use botan"),
            ("stack/tcpip/a.cpp", "#include <asio/ip/udp.hpp>", "stack/tcpip may not use asio"),
            ("mobility/a.cpp", "#include <sys/socket.h>", "mobility may not use linux"),
            ("stack/io/a.cpp", "#include <nlohmann/json.hpp>", "stack/io may not use nlohmann"),
            ("apps/socks/a.cpp", "#include <nlohmann/json.hpp>", "apps/socks may not use nlohmann"),
            ("stack/wire/a.hpp", "#include <absl/base.h>", "which the table does not know"),
            ("stack/wire/a.hpp", '#include "ipv4.hpp"', "written from the repository root"),
            ("stack/wire/a.hpp", '#include "stack/core/gone.hpp"', "does not exist"),
            ("stack/magic/a.hpp", "#include <span>", "no row of the table covers its folder"),
        ]
        for path, line, expected in cases:
            with self.subTest(path=path, line=line):
                self.assert_caught({path: SOUND.get(path, "") + line + "\n"}, expected)

    def test_each_broken_link_is_caught(self):
        library = "godwit_library({} SOURCES a.cpp LINKS {})\n".format
        cases = [
            ("stack/ip/CMakeLists.txt", library("stack_ip", "stack_tcpip"), "stack/ip may not use stack/tcpip"),
            ("stack/ip/CMakeLists.txt", library("stack_ip", "lwip"), "stack/ip may not use it"),
            ("stack/ip/CMakeLists.txt", library("stack_ip", "stack_core Botan::Botan"), "stack/ip may not use it"),
            ("stack/ip/CMakeLists.txt", library("stack_ip", "z"), "which the table does not know"),
            (
                "mobility/CMakeLists.txt",
                library("mobility", "stack_core") + "target_link_libraries(mobility PRIVATE ipsec_crypto)\n",
                "mobility may not use ipsec/crypto",
            ),
            ("stack/wire/CMakeLists.txt", "godwit_library(stack_wire SOURCES ipv4.cpp)\n", "does not link it"),
        ]
        for path, text, expected in cases:
            with self.subTest(text=text):
                self.assert_caught({path: text}, expected)

    def test_a_comment_is_no_include(self):
        self.assertEqual(problems_of({**SOUND, "stack/core/a.hpp": '// #include "mobility/notice.hpp"\n'}), [])


if __name__ == "__main__":
    unittest.main()
