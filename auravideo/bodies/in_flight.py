"""How many bytes of bodies a web process holds at a time, from each address and in all."""

from collections import Counter

OF_ONE_ADDRESS = 160 * 2**20  # bytes: two of the largest uploads, and what else that person does
IN_ALL = 512 * 2**20


class InFlight:
    """Counts the bodies that are being received or read, by address."""

    def __init__(self, of_one_address: int = OF_ONE_ADDRESS, in_all: int = IN_ALL) -> None:
        self.of_one_address, self.in_all = of_one_address, in_all
        self.total = 0
        self._by_address: Counter[str] = Counter()

    def take(self, address: str, size: int) -> int:
        """Count `size` more bytes. Return 0, or the status that refuses them: 429 for the address, 503 for all."""
        if self._by_address[address] + size > self.of_one_address:
            return 429
        if self.total + size > self.in_all:
            return 503
        self._by_address[address] += size
        self.total += size
        return 0

    def give_back(self, address: str, size: int) -> None:
        """Stop counting bytes that were taken."""
        self.total -= size
        self._by_address[address] -= size
        if self._by_address[address] <= 0:
            del self._by_address[address]
