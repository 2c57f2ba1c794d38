"""The page of an example's shop, as its visitors use it."""

import re

import httpx

__all__ = ["ShopPage"]


class ShopPage:
    """Orders by the form; reads the table of orders, and the error."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, follow_redirects=True, timeout=30, trust_env=False)

    def __enter__(self) -> "ShopPage":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def order(self, email: str, item: str = "A teapot") -> httpx.Response:
        """Fill in the form and send it."""
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)"', self._http.get("/").text)
        return self._http.post("/orders", data={"email": email, "item": item, **dict(hidden)})

    def orders(self) -> dict[str, str]:
        """What the page shows of each order: for whom it is, and what became of its receipt."""
        rows = re.findall(r"<tr><td>(.*?)</td></tr>", self._http.get("/").raise_for_status().text)
        cells = [row.split("</td><td>") for row in rows]
        return {email: receipt for _, email, _, receipt in cells}
