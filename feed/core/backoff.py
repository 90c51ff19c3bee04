"""How long to wait before trying again: exponential backoff with full jitter."""

# 2 ** 62 of anything is past every ceiling, and a larger exponent only risks an overflow after a year of failures.
MAX_DOUBLINGS = 62


def delay_s(failures: int, min_s: float, max_s: float, chance: float) -> float:
    """Seconds to wait after `failures` failures in a row (1 and up); `chance` is a random number in [0, 1).

    The delay is uniform between 0 and a ceiling that starts at `min_s` and doubles up to `max_s`. Full jitter, because
    all who lost the same server must not come back at the same moment.
    """
    if failures < 1:
        raise ValueError(f"failures is {failures}, and the first delay comes after the first failure")
    doublings = min(failures - 1, MAX_DOUBLINGS)
    return chance * min(max_s, min_s * 2.0**doublings)
