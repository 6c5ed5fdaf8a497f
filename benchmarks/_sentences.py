"""What a comparison shows, in sentences that are computed from its figures."""

from ._result import Comparison, Entry
from ._table import figure, heading, versus


def sentences(comparison: Comparison) -> list[str]:
    """Some sentences: our entry against its best peers and the ceiling, and ours in fewer bits or on other devices."""
    ours = comparison.entry(comparison.ours)
    if ours is None:
        reasons = [entry.reason for entry in comparison.entries if entry.name == comparison.ours and entry.reason]
        return [f"{': '.join([f'{comparison.ours} was not measured', *reasons])}."]
    others = [entry for entry in comparison.measured if entry.kind == "ours" and entry is not ours]
    differing = [entry for entry in others if (entry.precision, entry.device) != (ours.precision, ours.device)]
    found = [_against_peers(comparison, ours), _against_ceiling(comparison, ours)]
    found += [_against_peers(comparison, entry) for entry in differing]
    return [sentence for sentence in found if sentence] or [_alone(comparison, ours, others)]


def _against_peers(comparison: Comparison, entry: Entry) -> str | None:
    """Where it is ahead of its best peer there, level with it or behind, and by how much."""
    found: dict[str, dict[str, list[str]]] = {"ahead of": {}, "level with": {}, "behind": {}}
    for point in entry.points:
        ratio, best = comparison.ratio_to_best_peer(entry, point.at), comparison.best_peer(entry, point.at)
        peer = best.point(point.at) if best else None
        if ratio is None or best is None or peer is None:
            continue
        least = 1 + comparison.negligible
        standing = "ahead of" if ratio > least else "behind" if ratio * least < 1 else "level with"
        where = f"{heading(comparison, point.at)} " if len(comparison.places) > 1 else ""
        found[standing].setdefault(best.name, []).append(f"{where}({versus(comparison, point, peer)})")
    parts = []
    for standing, peers in found.items():
        at = " at " if len(comparison.places) > 1 else " "
        told = [f"{name}{at}{_listed(places)}" for name, places in peers.items()]
        again = f" and {standing.split()[-1]} "  # "ahead of one and of another"
        parts += [f"{standing} {again.join(told)}"] if told else []
    return f"{entry.name} is {'; '.join(parts)}." if parts else None


def _against_ceiling(comparison: Comparison, entry: Entry) -> str | None:
    shares = [(comparison.share_of_ceiling(entry, point.at), point.at) for point in entry.points]
    known = [(share, at) for share, at in shares if share is not None]
    if not known:
        return None
    share, at = max(known, key=lambda pair: pair[0])
    top = comparison.ceiling(at)
    assert top is not None
    where = f" ({heading(comparison, at)})" if len(comparison.places) > 1 else ""
    if comparison.better == "higher":
        return f"At its best{where} it reaches {share:.0%} of {top.name}."
    return f"It takes {1 / share:.1f} times as much as {top.name}{where}."


def _alone(comparison: Comparison, ours: Entry, others: list[Entry]) -> str:
    """Without a peer: the figure, and those of the others of ours."""
    at = ours.points[-1].at
    told = [
        f"{entry.name} {figure(comparison, point.median)} ({versus(comparison, point, mine)})"
        for entry in others
        if (point := entry.point(at)) and (mine := ours.point(at))
    ]
    first = f"{ours.name}: {figure(comparison, ours.points[-1].median)} {comparison.unit}"
    return f"{'; '.join([first, *told])}."


def _listed(texts: list[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]
