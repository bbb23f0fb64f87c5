"""The order of nodes that makes the connections between layers shortest, from scores alone."""

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment


STARTS, SWEEPS = 48, 30


def places(n: int) -> Any:
    """Return where the nodes of a layer of n stand, between 0 and 1."""
    return (np.arange(n) + 0.5) / n


def cost_of(links: list[Any], orders: list[list[int]]) -> float:
    """Return the connection cost with hidden layers in the given orders (place n takes node `order[n]`)."""
    total = 0.0
    standing = _standing(links, orders)
    for link, below, above in zip(links, standing[:-1], standing[1:], strict=True):
        total += float(np.sum(link * np.abs(below[:, None] - above[None, :])))
    return total


def _standing(links: list[Any], orders: list[list[int]]) -> list[Any]:
    """Return the place of every node of every layer."""
    standing = [places(len(links[0]))]
    for order in orders:
        own = np.empty(len(order))
        own[order] = places(len(order))
        standing.append(own)
    return [*standing, places(links[-1].shape[1])]


def shortest_orders(links: list[Any], sums: list[int]) -> list[list[int]]:
    """Return an order for every hidden layer: the cheapest of several starts, never worse than as it is.

    Args:
        links: scores `(nodes, next nodes)` of every layer of edges.
        sums: how many nodes of each hidden layer are sums; they stand first.
    """
    rng = np.random.default_rng(0)
    sizes = [len(link) for link in links[1:]]
    best = [list(range(n)) for n in sizes]
    least = cost_of(links, best)
    for start in range(STARTS if len(sizes) > 1 else 1):
        orders = [list(range(n)) for n in sizes] if start == 0 else _shuffled(sizes, sums, rng)
        orders = _swept(links, sums, orders)
        cost = cost_of(links, orders)
        # Only a real gain moves a node, so that an ordered network is left alone.
        if cost < least * (1.0 - 1e-12):
            best, least = orders, cost
    return best


def _shuffled(sizes: list[int], sums: list[int], rng: np.random.Generator) -> list[list[int]]:
    return [
        [*rng.permutation(n_sum).tolist(), *(n_sum + rng.permutation(n - n_sum)).tolist()]
        for n, n_sum in zip(sizes, sums, strict=True)
    ]


def _swept(links: list[Any], sums: list[int], orders: list[list[int]]) -> list[list[int]]:
    """Return the orders after solving one layer after the other until the cost stays."""
    cost = cost_of(links, orders)
    for _ in range(SWEEPS):
        for l, n_sum in enumerate(sums):
            standing = _standing(links, orders)
            slots = places(len(orders[l]))
            arriving = np.einsum("bn,bs->ns", links[l], np.abs(standing[l][:, None] - slots[None, :]))
            leaving = links[l + 1] @ np.abs(standing[l + 2][:, None] - slots[None, :])
            price = arriving + leaving
            order = np.empty(len(slots), int)
            for part in (slice(0, n_sum), slice(n_sum, None)):
                node, slot = linear_sum_assignment(price[part, part])
                order[part][slot] = node + (part.start or 0)
            orders = [*orders[:l], order.tolist(), *orders[l + 1 :]]
        again = cost_of(links, orders)
        if again >= cost * (1.0 - 1e-12):
            break
        cost = again
    return orders
