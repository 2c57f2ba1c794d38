"""An application that is killed: a mail exists if and only if its order does."""

import os
import random
import subprocess
import sys

from tests.support.shop import Shop

KILLS = 120 if os.environ.get("MAILSVC_SOAK") else 30
APART = """
    SELECT o.id, o.what, s.id FROM orders o FULL OUTER JOIN mailsvc_submission s ON s.id = o.what
    WHERE o.what IS NULL OR s.id IS NULL
"""


def test_no_kill_parts_a_mail_from_its_order(shop: Shop) -> None:
    seed = random.randrange(10**9)
    url = shop.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-m", "tests.support.killed_shop", url, str(KILLS), str(seed)], check=True)

    assert shop.rows(APART) == [], seed
    assert len(shop.orders()) > KILLS
