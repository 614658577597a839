"""A keyed Python function without Flink: state, timers and watermark as the runtime keeps them, in dictionaries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Self

from pyflink.datastream import OutputTag

END_OF_INPUT_MS = 2**63 - 1  # the watermark that ends a bounded input
START_MS = -(2**63)


@dataclass
class Keyed:
    """What the runtime keeps: state by name and key, timers, the watermark."""

    values: dict[tuple[str, Any], Any] = field(default_factory=dict)
    maps: defaultdict[tuple[str, Any], dict[Any, Any]] = field(default_factory=lambda: defaultdict(dict))
    timers: set[tuple[int, Any]] = field(default_factory=set)  # of equal times one a key
    watermark_ms: int = START_MS


class ValueState:
    """`ValueState` of the current key."""

    def __init__(self, name: str, runtime: Runtime) -> None:
        self._name, self._runtime = name, runtime

    def value(self) -> Any:
        return self._runtime.keyed.values.get((self._name, self._runtime.key))

    def update(self, value: Any) -> None:
        self._runtime.keyed.values[self._name, self._runtime.key] = value


class MapState:
    """`MapState` of the current key."""

    def __init__(self, name: str, runtime: Runtime) -> None:
        self._name, self._runtime = name, runtime

    @property
    def _map(self) -> dict[Any, Any]:
        return self._runtime.keyed.maps[self._name, self._runtime.key]

    def get(self, key: Any) -> Any:
        return self._map.get(key)

    def put(self, key: Any, value: Any) -> None:
        self._map[key] = value

    def remove(self, key: Any) -> None:
        del self._map[key]

    def keys(self) -> Iterable[Any]:
        return list(self._map)

    def items(self) -> Iterable[tuple[Any, Any]]:
        return list(self._map.items())


class Runtime:
    """The runtime context, the context of an element or a timer, and the timer service, all in one."""

    def __init__(self, keyed: Keyed) -> None:
        self.keyed = keyed
        self.key: Any = None

    def get_state(self, descriptor: Any) -> ValueState:
        return ValueState(descriptor.get_name(), self)

    def get_map_state(self, descriptor: Any) -> MapState:
        return MapState(descriptor.get_name(), self)

    def get_current_key(self) -> Any:
        return self.key

    def timer_service(self) -> Self:
        return self

    def current_watermark(self) -> int:
        return self.keyed.watermark_ms

    def register_event_time_timer(self, time_ms: int) -> None:
        self.keyed.timers.add((time_ms, self.key))


class Driven:
    """A KeyedProcessFunction that is driven by hand; what it yields is gathered in `main` and `side`."""

    def __init__(self, function: Any, keyed: Keyed | None = None) -> None:
        self.keyed = Keyed() if keyed is None else keyed
        self._function, self._runtime = function, Runtime(self.keyed)
        self.main: list[Any] = []
        self.side: defaultdict[str, list[Any]] = defaultdict(list)  # by the tag's id
        function.open(self._runtime)

    def element(self, key: Any, value: Any) -> list[Any]:
        """Process one element; what it gives."""
        self._runtime.key = key
        return self._gather(self._function.process_element(value, self._runtime))

    def watermark(self, time_ms: int) -> list[Any]:
        """Move event time on and fire all timers that are due, also those that firing one registers."""
        self.keyed.watermark_ms, given = time_ms, []
        while due := sorted(timer for timer in self.keyed.timers if timer[0] <= time_ms):
            self.keyed.timers.discard(due[0])
            at_ms, self._runtime.key = due[0]
            given += self._gather(self._function.on_timer(at_ms, self._runtime))
        return given

    def end(self) -> list[Any]:
        """The end of a bounded input."""
        return self.watermark(END_OF_INPUT_MS)

    def restored(self, function: Any) -> Driven:
        """Another instance of the function, from a checkpoint taken now."""
        return Driven(function, deepcopy(self.keyed))

    def _gather(self, yielded: Iterator[Any]) -> list[Any]:
        given = []
        for each in yielded:
            if isinstance(each, tuple) and isinstance(each[0], OutputTag):
                self.side[each[0].tag_id].append(each[1])
            else:
                given.append(each)
        self.main += given
        return given
