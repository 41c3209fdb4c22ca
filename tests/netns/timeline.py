"""The timeline of moves as a table, from what `godwit status --json` says of each: when which step
had been made, in milliseconds since the move was detected and in round trips.
"""

# In the order in which they happen; "detected" is where time begins.
STEPS = ("deprecated", "announced", "acknowledged", "completed", "rewritten", "first_byte",
         "first_byte_in", "first_byte_out", "proven")


def at(move, step):
    """Milliseconds since the move was detected; None when it has not happened, or is not told."""
    return move.get(step + "_ms", move.get(step))


def table(moves):
    """(headings, rows); a step that no move tells of has no column."""
    steps = [step for step in STEPS if any(at(move, step) is not None for move in moves)]
    headings = ["#", "to", "RTT", *(step.replace("_", " ") for step in steps)]
    return headings, [[number, move["to"], f"{move['rtt_ms']:.1f}" if move.get("rtt_ms") else "-",
                       *(cell(at(move, step), move.get("rtt_ms")) for step in steps)]
                      for number, move in enumerate(moves, 1)]


def cell(ms, rtt):
    if ms is None:
        return "-"
    return f"{ms:.1f}" + (f" = {ms / rtt:.2f}" if rtt else "")
