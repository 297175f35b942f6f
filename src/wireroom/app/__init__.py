"""The composition root: the only place that knows which parts an installation is made of."""
