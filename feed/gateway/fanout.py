"""A flush: what streams have pending becomes segments, once per form, and frames, once per cohort; each client gets one
write."""

from collections.abc import Iterable

from feed.gateway.cohort import Cohort, Member
from feed.gateway.flow import Flow
from feed.gateway.forms import without_waits
from feed.gateway.interest import Interest
from feed.gateway.live import LiveStream
from feed.gateway.message import stood_for
from feed.gateway.meters import Meters
from feed.gateway.paces import Paces


class Fanout:
    """Writes to the cohorts of a feed. What it has written counts as sent only when the caller says so: a tick that
    can't be encoded stays pending."""

    def __init__(self, interest: Interest, paces: Paces, meters: Meters, max_frame_bytes: int) -> None:
        self._interest = interest
        self._paces = paces
        self._meters = meters
        self._max_frame_bytes = max_frame_bytes

    def write(self, streams: Iterable[LiveStream], now: float, now_ns: int) -> tuple[list[Flow], list[Member]]:
        """Answers the flows that gave something out, and the clients that did not take what they were due."""
        flows: list[Flow] = []
        cohorts: list[Cohort] = []
        try:
            for live in streams:
                # without holders it was let go since: whoever holds the stream anew has another place in it
                if live.holders:
                    self._encode(live, now, now_ns, cohorts, flows)
            return flows, self._send(cohorts, now)
        finally:
            for cohort in cohorts:
                cohort.due.clear()

    def _send(self, cohorts: list[Cohort], now: float) -> list[Member]:
        """Writes what cohorts are due, to each client at once; answers those that did not take it."""
        behind: list[Member] = []
        meters, most = self._meters, self._meters.stamp_every
        messages = frames = size = writes = owed = 0
        for cohort in cohorts:
            count, parts, data = cohort.form.joined(cohort.due, self._max_frame_bytes)
            due, prompt = (cohort.due, count) if cohort.prompt else without_waits(cohort.due)
            if prompt:
                last, of = due, prompt
            for portion in (cohort.members,) if len(cohort.members) <= most else cohort.portions(most):
                members = len(portion)
                for member in portion:
                    if not member.write(data):
                        behind.append(member)
                        members -= 1
                messages += count * members
                frames += parts * members
                size += len(data) * members
                writes += members
                owed += prompt * members
                if meters.names:
                    meters.named(due, members)
                if writes >= most and owed:
                    meters.stamp(last, of, owed)
                    writes = owed = 0
            cohort.sent_at = now
        if owed:
            meters.stamp(last, of, owed)
        meters.written(messages, size, frames)
        return behind

    def _encode(self, live: LiveStream, now: float, now_ns: int, cohorts: list[Cohort], flows: list[Flow]) -> None:
        """Gives a stream's segments to those whom they are due."""
        rates = {0.0: live.pending}
        for rate, form, audience, alone in self._interest.audience(live):
            messages = rates.get(rate)
            if messages is None:
                messages = rates[rate] = self._paces.take(live, rate, now)
                if messages:
                    flows.append(live.flows[rate])
                    self._meters.conflated("rate", stood_for(messages))
            if not messages:
                continue
            segments = form.segments(messages, now_ns // 1000, self._max_frame_bytes, alone=alone)
            if not segments:
                continue
            if not rate:  # who wants a rate waits by his own wish
                for segment in segments:
                    segment.said = messages
            for cohort in audience:
                due = cohort.due
                if not due:
                    cohorts.append(cohort)
                due += segments
        if len(live.flows) >= len(rates):
            live.flows = {rate: flow for rate, flow in live.flows.items() if rate in rates}
