"""The turn of an executable: one at a time, waiters woken, free again in a fork."""

from __future__ import annotations

import threading

from tinytorch.runtime.turn import Turn


def test_one_thread_at_a_time_and_none_waits_for_ever():
    turn, inside, most, count = Turn(), [], [], [0]

    def work() -> None:
        for _ in range(300):
            with turn:
                inside.append(None)
                most.append(len(inside))
                count[0] += 1
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert count == [2400]
    assert set(most) == {1}
    assert turn.idle == [None]
    assert turn.waiting == []


def test_an_error_gives_the_turn_back():
    turn = Turn()
    try:
        with turn:
            raise KeyError
    except KeyError:
        pass
    assert turn.idle == [None]


def test_renewed_it_is_free():
    turn = Turn()
    del turn.idle[0]
    turn.renew()
    with turn:
        assert not turn.idle
