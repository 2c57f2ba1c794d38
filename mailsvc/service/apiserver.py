"""Granian, that goes on when its process dies again and again: it gives up by itself, and the whole service would end."""

from typing import Any

from granian.server.mp import MPServer

from mailsvc.service.offspring import Respite

__all__ = ["ApiServer"]


class ApiServer(MPServer):
    """One process that serves, started again after a pause whenever it has died."""

    def __init__(self, target: str, **options: Any) -> None:
        super().__init__(target, **options | {"respawn_failed_workers": True})
        self._respite = Respite("API")

    def _respawn_workers(self, workers: list[int], spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        exit_code = self.wrks[0].inner.exitcode
        if exit_code is not None:  # else it lives, and was asked to begin anew (SIGHUP)
            self.main_loop_interrupt.wait(self._respite.after(exit_code))
        if self.interrupt_signal:
            return
        self._respite.begin()
        super()._respawn_workers(workers, spawn_target, target_loader, delay)
        self.respawned_wrks.clear()  # it is by these that granian sees one die again too soon
