"""Who may include whom: the table of docs/architecture.md, checked against the code.

A folder may include its own headers, those of the folders in its row, and of the outside
world only what its row names. The standard library is everybody's. Its CMake target links
exactly that: a link the row does not allow is an error, and so is an include whose target
is not linked.
"""

import argparse
import pathlib
import re
import sys
from dataclasses import dataclass

# Folder, our folders, outside. The longest folder that is a prefix of a file's path is its row.
# "*" stands for every folder of Godwit but apps; a header's name, for that header alone.
TABLE = """
stack/core    | -                                                          | -
stack/wire    | stack/core                                                 | -
stack/tcp     | stack/core                                                 | -
stack/ip      | stack/core stack/wire                                      | -
stack/dns     | stack/core stack/wire                                      | ldns
stack/tcpip   | stack/core stack/wire stack/tcp                            | lwip
stack/io      | stack/core                                                 | asio linux
ipsec/crypto  | stack/core                                                 | botan
ipsec/esp     | stack/core stack/wire ipsec/crypto                         | -
ipsec/policy  | stack/core stack/wire ipsec/crypto ipsec/esp               | -
ipsec/ike     | stack/core stack/wire ipsec/crypto ipsec/esp ipsec/policy  | -
ipsec         | stack/core stack/wire ipsec/crypto ipsec/esp ipsec/policy ipsec/ike | -
mobility      | stack/core stack/wire                                      | -
apps/node     | *                                                          | asio linux nlohmann
apps/socks    | apps/node stack/core stack/dns stack/tcpip/tcp_socket.hpp stack/tcpip/udp_socket.hpp | asio linux
apps/godwitd  | apps/node apps/socks apps/publish apps/shim_server stack/core | asio linux
apps/godwit   | apps/node apps/shim stack/core                             | asio linux
apps/shim     | stack/core                                                 | linux
apps/shim_server | apps/node apps/shim stack/core stack/tcpip/tcp_socket.hpp stack/tcpip/udp_socket.hpp | asio linux
apps          | apps/node stack/core stack/tcpip/tcp_socket.hpp stack/tcpip/udp_socket.hpp | asio linux
"""

# The C ABI has a header that is plain C and needs no row of its own: what it includes is within
# the row of apps.

# A header of the outside world, by the pattern of its name, belongs to one of these.
OUTSIDE = {
    "lwip": re.compile(r"^(lwip|netif|arch|lwipopts)(/|\.h|$)"),
    "botan": re.compile(r"^botan(-3)?/"),
    "asio": re.compile(r"^(asio|boost/asio)(/|\.hpp$)"),
    "nlohmann": re.compile(r"^nlohmann/"),
    "ldns": re.compile(r"^ldns/"),
    "linux": re.compile(
        r"^(linux|sys|net|netinet|arpa|asm|libmnl|libnl3?)/"
        r"|^(alloca|unistd|fcntl|poll|dlfcn|ifaddrs|netdb|pwd|grp|sched|signal|pthread|dirent|spawn|termios"
        r"|resolv|syslog|getopt|glob|ucontext|semaphore|mqueue|utmp|shadow)\.h$"
    ),
}
# The headers of C, and endian.h of POSIX, which are no more than types and numbers; every other name with .h is somebody's.
STANDARD = re.compile(
    r"^(assert|complex|ctype|endian|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|stdalign"
    r"|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|threads|time"
    r"|uchar|wchar|wctype)\.h$"
)
# CMake targets of the outside world. Only what is named here may be linked.
OUTSIDE_TARGETS = {
    "lwip": "lwip",
    "Botan::Botan": "botan",
    "asio::asio": "asio",
    "nlohmann_json::nlohmann_json": "nlohmann",
    "ldns": "ldns",
    "Threads::Threads": "linux",
    "${CMAKE_DL_LIBS}": "linux",
}
SOURCES = {".hpp", ".h", ".hh", ".hxx", ".ipp", ".inl", ".inc", ".cpp", ".c", ".cc", ".cxx"}
TOPS = ("stack", "ipsec", "mobility", "apps")

# lwipopts.h stands in our tree and its name is lwIP's choice: within stack/tcpip it is ours.
INCLUDE = re.compile(r'^\s*#\s*include(?:_next)?\s*(?P<open>["<])(?P<name>[^">]+)[">]')
LIBRARY = re.compile(r"\b(godwit_library|godwit_preload|godwit_program)\s*\(\s*([\w.-]+)([^)]*)\)")
LINK = re.compile(r"\btarget_link_libraries\s*\(\s*([\w.-]+)([^)]*)\)")
KEYWORDS = {"SOURCES", "LINKS", "PUBLIC", "PRIVATE", "INTERFACE", "STATIC", "SHARED", "OBJECT"}


@dataclass(frozen=True)
class Row:
    folder: str
    ours: tuple
    outside: tuple

    def allows_header(self, name):
        folder = folder_of(name)
        if folder in self.ours or name in self.ours:
            return True
        return "*" in self.ours and not folder.startswith("apps")

    def allows_link(self, folder):
        return self.allows_header(folder + "/") or any(
            name.endswith(".hpp") and folder_of(name) == folder for name in self.ours
        )


def parse_table(text):
    rows = {}
    for line in text.strip().splitlines():
        folder, ours, outside = (cell.strip() for cell in line.split("|"))
        words = lambda cell: tuple(word for word in cell.split() if word != "-")
        rows[folder] = Row(folder, words(ours), words(outside))
    return rows


ROWS = parse_table(TABLE)


def row_of(path):
    """The row for a path relative to the root, or None if no row covers it."""
    parts = path.split("/")
    for length in range(len(parts), 0, -1):
        row = ROWS.get("/".join(parts[:length]))
        if row:
            return row
    return None


def folder_of(path):
    """The folder of the table a header is in: other apps are folders of their own."""
    row = row_of(path)
    if row is None:
        return None
    parts = path.split("/")
    return "/".join(parts[:2]) if row.folder == "apps" and len(parts) > 2 else row.folder


def outside_of(name):
    for owner, pattern in OUTSIDE.items():
        if pattern.search(name):
            return owner
    return None


def check_include(root, path, name, quoted):
    """What is wrong with an include, in words; None if nothing is."""
    row = row_of(path)
    if quoted:
        if name.startswith(TOPS):
            if not (root / name).is_file():
                return f'includes "{name}", which does not exist'
            target = folder_of(name)
            if target is None:
                return f'includes "{name}", which no row of the table covers'
            if target == folder_of(path) or row.allows_header(name):
                return None
            return f'includes "{name}": {row.folder} may not include {target}'
        if (root / path).parent.joinpath(name).is_file() and name == "lwipopts.h":
            return None
        if outside_of(name) is None:
            return f'includes "{name}": includes of ours are written from the repository root'
    owner = outside_of(name)
    if owner is not None:
        return None if owner in row.outside else f"includes <{name}>: {row.folder} may not use {owner}"
    # The headers of the C++ library have no suffix.
    if "/" in name or ("." in name and not STANDARD.match(name)):
        return f"includes <{name}>, which the table does not know"
    return None


def scan_includes(root):
    problems = []
    for top in TOPS:
        for file in sorted((root / top).rglob("*")) if (root / top).is_dir() else []:
            if file.suffix not in SOURCES or not file.is_file():
                continue
            path = file.relative_to(root).as_posix()
            if row_of(path) is None:
                problems.append(f"{path}: no row of the table covers its folder")
                continue
            for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                if match:
                    wrong = check_include(root, path, match["name"], match["open"] == '"')
                    if wrong:
                        problems.append(f"{path}:{number}: {wrong}")
    return problems


def targets(root):
    """Every target of ours: name to (folder, CMake file, what it links)."""
    found = {}
    for top in TOPS:
        for file in sorted((root / top).rglob("CMakeLists.txt")) if (root / top).is_dir() else []:
            text = re.sub(r"#.*", "", file.read_text())
            path = file.relative_to(root).as_posix()
            for _, name, body in LIBRARY.findall(text):
                words = body.split()
                links = words[words.index("LINKS") + 1 :] if "LINKS" in words else []
                if "SOURCES" in links:
                    links = links[: links.index("SOURCES")]
                found[name] = (path.rsplit("/", 1)[0], path, list(links))
            for name, body in LINK.findall(text):
                if name in found:
                    found[name][2].extend(w for w in body.split() if w not in KEYWORDS)
    return found


def scan_links(root):
    problems = []
    known = targets(root)
    for name, (folder, path, links) in known.items():
        row = row_of(folder)
        if row is None:
            problems.append(f"{path}: {name}: no row of the table covers {folder}")
            continue
        for link in links:
            if link in known:
                target = folder_of(known[link][0] + "/")
                if target != folder_of(folder + "/") and not row.allows_link(target):
                    problems.append(f"{path}: {name} links {link}: {row.folder} may not use {target}")
            elif link in OUTSIDE_TARGETS:
                if OUTSIDE_TARGETS[link] not in row.outside:
                    problems.append(f"{path}: {name} links {link}: {row.folder} may not use it")
            else:
                problems.append(f"{path}: {name} links {link}, which the table does not know")
        problems += unlinked(root, name, folder, path, links, known)
    return problems


def unlinked(root, name, folder, path, links, known):
    """Folders that a target's own files may and do include and that it does not link."""
    linked = {folder_of(known[link][0] + "/") for link in links if link in known}
    linked.add(folder_of(folder + "/"))
    missing = set()
    for file in sorted((root / folder).iterdir()):
        if file.suffix not in SOURCES:
            continue
        for line in file.read_text(errors="replace").splitlines():
            match = INCLUDE.match(line)
            if match and match["open"] == '"' and match["name"].startswith(TOPS):
                target = folder_of(match["name"])
                if target and target not in linked and row_of(path).allows_header(match["name"]):
                    missing.add(target)
    siblings = [n for n, (f, _, _) in known.items() if f == folder]
    if len(siblings) > 1:  # which of them a file belongs to is not looked at
        for sibling in siblings:
            missing -= {folder_of(known[l][0] + "/") for l in known[sibling][2] if l in known}
    return [f"{path}: {name} includes headers of {target} but does not link it" for target in sorted(missing)]


def check(root):
    root = pathlib.Path(root)
    return scan_includes(root) + scan_links(root)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="the repository's top folder")
    root = pathlib.Path(parser.parse_args().root)
    if not (root / "stack").is_dir():
        sys.exit(f"{root} has no folder 'stack': not the repository's top folder")
    problems = check(root)
    for problem in problems:
        print(problem)
    sys.exit(f"{len(problems)} against the table 'who may include whom'" if problems else 0)


if __name__ == "__main__":
    main()
