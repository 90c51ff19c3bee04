"""A browser asks for compression by itself: what it then reads is whole."""

import re
from typing import Any

import pytest

from tests.browser.test_page import until
from tests.integration.service import running

READ = """
(count) => new Promise((resolve, reject) => {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/v2/sim", ["feed.v1.json"]);
  const last = {};
  const said = {extensions: "", messages: 0, holes: 0};
  socket.onerror = () => reject(new Error("the connection failed"));
  socket.onclose = (event) => reject(new Error(`closed with ${event.code}`));
  socket.onopen = () => socket.send(JSON.stringify({action: "subscribe", quotes: ["*"], trades: ["*"], stamps: true}));
  socket.onmessage = (event) => {
    said.extensions = socket.extensions;
    for (const message of JSON.parse(event.data)) {
      if (message.T !== "q" && message.T !== "t") continue;
      const stream = message.T + message.S;
      said.messages += 1;
      said.holes += stream in last && message.q !== last[stream] + 1 ? 1 : 0;
      last[stream] = message.q;
    }
    if (said.messages < count) return;
    socket.onclose = null;
    socket.close();
    resolve(said);
  };
})
"""


@pytest.mark.timeout(120)
def test_chromium_reads_compressed_frames(page: Any) -> None:
    ports = ("--port", "0", "--admin-port", "0", "--ingest-admin-port", "0")
    switched_on = {"FEED_GATEWAY__COMPRESSION": "true"}
    with running("try", "demo", *ports, "--rate", "2000", environment=switched_on) as demo:
        found = re.search(r"http://127\.0\.0\.1:\d+", demo.said)
        assert found
        page.goto(found[0])
        said = page.evaluate(READ, 3_000)
        assert (said["extensions"], said["holes"]) == ("permessage-deflate", 0)
        until(page.locator("[data-cell=state]"), "Live")
        assert page.complaints == []
