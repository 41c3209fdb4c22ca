"""A mobile host's way through its networks: what moves it makes, when each happened, and what the
application at its end noticed of it.
"""
import dataclasses
import time

BREAK, MAKE = "break before make", "make before break"
_AROUND = 0.05  # seconds: what a round trip and a burst may take
_BEFORE = 1.0   # seconds before a move in which the flow shows how steady it is without one


@dataclasses.dataclass(frozen=True)
class Stop:
    """Where to go next and how."""
    network: str
    host: int
    manner: str = BREAK
    outage: float = 0.0  # seconds without any network
    label: str = ""


@dataclasses.dataclass
class Move:
    """One that was made. Times are seconds since boot."""
    number: int
    label: str
    manner: str
    source: str
    destination: str
    left: float     # the old address went; make before break: the new one was preferred
    came: float     # the new address was there and preferred
    silence: float = None     # longest time the application got nothing, around this move
    stall: float = None       # the same without the time in which there was no network
    pause: float = None       # longest silence in the second before the move: not its doing
    first_byte: float = None  # after `came`, as the application saw it
    announced: float = None   # after `came`, as Godwit says
    completed: float = None
    attempts: int = None

    @property
    def outage(self):
        return self.came - self.left


def make_move(lab, stop, number):
    source = next(iter(lab.attached.values()))[0]
    if stop.manner == MAKE:
        left, came = lab.make_before_break(stop.network, stop.host)
    else:
        left, came = lab.break_before_make(stop.network, stop.host, stop.outage)
    return Move(number, stop.label or stop.manner, stop.manner, source,
                lab.address(stop.network, stop.host), left, came)


def travel(lab, stops, dwell, on_move=lambda move: None):
    """Stays `dwell` seconds at each place, the first included."""
    moves = []
    for number, stop in enumerate(stops, 1):
        time.sleep(dwell)
        moves.append(make_move(lab, stop, number))
        on_move(moves[-1])
    return moves


def judge(moves, silence_between, end):
    """Fills in what the application noticed. silence_between(begin, end) gives the longest
    silence there as (length, begin, end); `end` is when observation ended."""
    for move, following in zip(moves, [*moves[1:], None]):
        until = following.left if following else end
        move.silence, began, ended = silence_between(move.left, until)
        # Only what the silence shares with the time without a network is not the move's fault.
        gone = max(0.0, min(ended, move.came) - max(began, move.left))
        move.stall = move.silence - gone
        # Later silences have other reasons; the first byte ends the one around the move.
        move.pause, _, _ = silence_between(move.left - _BEFORE, move.left - _AROUND)
        _, _, ended = silence_between(move.left, move.came + _AROUND)
        move.first_byte = max(0.0, ended - move.came)


def stays(moves, begin, end):
    """Where the host was when: [(begin, end, network or None, address)], relative to `begin`."""
    result, since = [], 0.0
    for move in moves:
        result.append((since, move.left - begin, _network(move.source), move.source))
        if move.came - move.left > 0.01:
            result.append((move.left - begin, move.came - begin, None, ""))
        since = move.came - begin
    last = moves[-1].destination
    result.append((since, end - begin, _network(last), last))
    return result


def _network(address):
    return "A" if address.startswith("10.71.1.") else "B"
