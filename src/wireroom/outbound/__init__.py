"""Outgoing HTTP calls: which hosts are called just now, what may be sent twice, and what it all took."""
