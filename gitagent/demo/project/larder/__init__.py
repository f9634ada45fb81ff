"""A kitchen's stock: lots, reservations, orders, prices and what to use first."""
