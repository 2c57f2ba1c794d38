"""Sending by the API of a service that tests know by its address and its data directory."""

from pathlib import Path

import httpx

__all__ = ["send_by_api"]


def send_by_api(bind: str, data_dir: Path, *, count: int = 1, to: str = "alice@example.test") -> list[str]:
    """Send messages; returns their ids."""
    key = (data_dir / "api-key").read_text().strip()
    message = {"from": "shop@app.test", "to": to, "subject": "Hello", "text": "It works."}
    ids = []
    with httpx.Client(base_url=f"http://{bind}", headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        for _ in range(count):
            answer = client.post("/v1/messages", json=message)
            assert answer.status_code == 202, answer.text
            ids.append(str(answer.json()["id"]))
    return ids
